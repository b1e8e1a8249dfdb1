//! Pages of lists (AIP-158): opaque tokens that belong to one list with one set of filters.
//!
//! A token holds the sort key of the last row that was shown, so that pages stay stable while rows come and go. Its
//! checksum covers the list and the filters; it is no secret: a token only ever moves the start of a list whose rows
//! the caller may see anyway.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use moviebooking_proto::{Problem, Reason};
use sha2::{Digest as _, Sha256};

/// Rows on a page when the request does not say.
pub const DEFAULT_SIZE: i32 = 50;
/// Rows on a page at most; more is not an error (AIP-158).
pub const MOST: i32 = 200;
const CHECKSUM: usize = 8;
const LONGEST_TOKEN: usize = 2_000;

/// Which page of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows to show. Fetch one more to know whether there is a next page.
    pub size: usize,
    /// The sort key of the last row of the page before, as [`Page::cut`] was given it.
    pub after: Option<Vec<String>>,
    list: [u8; CHECKSUM],
}

impl Page {
    /// Reads `page_size` and `page_token`. `list` names the list and `filters` are all that the token must belong to.
    pub fn parse(page_size: i32, page_token: &str, list: &str, filters: &[&str]) -> Result<Self, Problem> {
        let size = match page_size {
            0 => DEFAULT_SIZE,
            1.. => page_size.min(MOST),
            _ => {
                return Err(Problem::invalid(
                    "page_size",
                    format!("use 1 to {MOST}, or 0 for {DEFAULT_SIZE}"),
                ));
            }
        };
        let list = fingerprint(list, filters);
        let after = if page_token.is_empty() { None } else { Some(open(page_token, list)?) };
        Ok(Self { size: usize::try_from(size).unwrap_or(0), after, list })
    }

    /// How many rows to fetch: one more than are shown.
    pub fn limit(&self) -> i64 {
        i64::try_from(self.size).unwrap_or(i64::from(MOST)) + 1
    }

    /// Cuts `rows`, fetched with [`Page::limit`], to the page, and makes the token of the next one from the `key` of
    /// the last row shown; the token is empty on the last page.
    pub fn cut<T>(&self, rows: &mut Vec<T>, key: impl Fn(&T) -> Vec<String>) -> String {
        let more = rows.len() > self.size;
        rows.truncate(self.size);
        match rows.last() {
            Some(last) if more => self.token(&key(last)),
            _ => String::new(),
        }
    }

    fn token(&self, key: &[String]) -> String {
        let mut body = Vec::new();
        for part in key {
            body.extend_from_slice(&u32::try_from(part.len()).unwrap_or(0).to_be_bytes());
            body.extend_from_slice(part.as_bytes());
        }
        let mut token = checksum(self.list, &body).to_vec();
        token.extend(body);
        URL_SAFE_NO_PAD.encode(token)
    }
}

fn open(token: &str, list: [u8; CHECKSUM]) -> Result<Vec<String>, Problem> {
    let refused = || {
        let fix =
            "use next_page_token of this list with the same filters, or leave it empty for the first page";
        Problem::new(Reason::InvalidPageToken, format!("page_token: {fix}")).field("page_token", fix)
    };
    if token.len() > LONGEST_TOKEN {
        return Err(refused());
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
    let (sum, mut body) = bytes.split_at_checked(CHECKSUM).ok_or_else(refused)?;
    if sum != checksum(list, body) {
        return Err(refused());
    }
    let mut key = Vec::new();
    while !body.is_empty() {
        let (length, rest) = body.split_at_checked(4).ok_or_else(refused)?;
        let length = u32::from_be_bytes(length.try_into().map_err(|_| refused())?) as usize;
        let (part, rest) = rest.split_at_checked(length).ok_or_else(refused)?;
        key.push(String::from_utf8(part.to_vec()).map_err(|_| refused())?);
        body = rest;
    }
    Ok(key)
}

fn fingerprint(list: &str, filters: &[&str]) -> [u8; CHECKSUM] {
    let mut hash = Sha256::new();
    for part in std::iter::once(&list).chain(filters) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    first_bytes(hash)
}

fn checksum(list: [u8; CHECKSUM], body: &[u8]) -> [u8; CHECKSUM] {
    first_bytes(Sha256::new().chain_update(list).chain_update(body))
}

fn first_bytes(hash: Sha256) -> [u8; CHECKSUM] {
    let mut bytes = [0; CHECKSUM];
    bytes.copy_from_slice(&hash.finalize()[..CHECKSUM]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(token: &str, filters: &[&str]) -> Result<Page, Problem> {
        Page::parse(2, token, "movies", filters)
    }

    #[test]
    fn a_token_goes_on_where_the_page_ended() {
        let page = parse("", &["drama"]).unwrap();
        let mut rows = vec!["a", "b", "c"];
        let token = page.cut(&mut rows, |row| vec![row.to_string(), String::new()]);
        assert_eq!(rows, ["a", "b"]);
        assert_eq!(parse(&token, &["drama"]).unwrap().after, Some(vec!["b".to_owned(), String::new()]));
        assert_eq!(page.cut(&mut vec!["a", "b"], |row| vec![row.to_string()]), "");
    }

    #[test]
    fn a_token_of_another_list_or_a_changed_one_is_refused() {
        let page = parse("", &["drama"]).unwrap();
        let token = page.cut(&mut vec!["a", "b", "c"], |row| vec![row.to_string()]);
        assert!(parse(&token, &["comedy"]).is_err());
        for position in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            assert!(parse(&String::from_utf8(changed).unwrap(), &["drama"]).is_err(), "{position}");
        }
        assert!(parse("%%%", &[]).is_err());
    }

    #[test]
    fn sizes_are_bounded() {
        let size = |page_size| Page::parse(page_size, "", "movies", &[]).map(|page| page.size);
        assert_eq!(size(0).unwrap(), 50);
        assert_eq!(size(1_000_000_000).unwrap(), 200);
        assert!(size(-1).is_err());
    }
}
