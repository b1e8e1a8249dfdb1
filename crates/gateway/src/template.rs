//! Path templates of `google.api.http`, and the tree that finds what stands at a path.

use std::{borrow::Cow, collections::HashMap};

use http::Method;

/// A path template: `/showtimes/{showtime_id}/seats`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
}

/// What stands between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// This text.
    Literal(String),
    /// One segment that fills the field with this path in the request message: `movie.id`.
    Variable(String),
}

impl Template {
    /// Reads the part of the syntax that the platform uses: literals and `{field}` or `{field.field}`, each a whole
    /// segment. The error says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let rest =
            text.strip_prefix('/').ok_or_else(|| format!("the path {text:?} does not begin with a slash"))?;
        let segments = rest.split('/').map(segment).collect::<Result<Vec<_>, _>>();
        let segments = segments.map_err(|why| format!("the path {text:?}: {why}"))?;
        Ok(Self { segments })
    }

    /// The template with every variable as `{}`: equal for templates that match the same paths.
    pub(crate) fn shape(&self) -> String {
        self.write(|_| "{}".to_owned())
    }

    /// The template with its variables as `name` writes them.
    pub(crate) fn write(&self, name: impl Fn(&str) -> String) -> String {
        let segment = |segment: &Segment| match segment {
            Segment::Literal(text) => format!("/{text}"),
            Segment::Variable(field) => format!("/{}", name(field)),
        };
        self.segments.iter().map(segment).collect()
    }
}

fn segment(text: &str) -> Result<Segment, String> {
    let identifier = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return if name.split('.').all(identifier) {
            Ok(Segment::Variable(name.to_owned()))
        } else {
            Err(format!("the variable {text:?} is not a field; patterns in variables are not supported"))
        };
    }
    // Unreserved characters only (RFC 3986): they mean the same percent-encoded or not.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if text.is_empty() || !text.bytes().all(plain) {
        return Err(format!("the segment {text:?} is neither plain text nor one variable"));
    }
    Ok(Segment::Literal(text.to_owned()))
}

/// Finds what stands at a path. A literal wins over a variable: `/users/me` is never the user `me`.
#[derive(Debug)]
pub(crate) struct Tree<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    literals: HashMap<String, Node<T>>,
    variable: Option<Box<Node<T>>>,
    methods: Vec<(Method, T)>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literals: HashMap::new(), variable: None, methods: Vec::new() }
    }
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

/// What stands at a path: what each method does, and the text of the variables, in order.
pub(crate) struct Found<'t, 'p, T> {
    pub(crate) methods: &'t [(Method, T)],
    pub(crate) variables: Vec<&'p str>,
}

impl<T> Tree<T> {
    /// Adds a route; `false` if one with the same shape and method is there.
    pub(crate) fn insert(&mut self, template: &Template, method: Method, route: T) -> bool {
        let mut node = &mut self.root;
        for segment in &template.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Variable(_) => node.variable.get_or_insert_default(),
            };
        }
        let free = node.methods.iter().all(|(taken, _)| *taken != method);
        if free {
            node.methods.push((method, route));
        }
        free
    }

    /// What stands at a path, given as [`segments`].
    pub(crate) fn find<'p>(&self, segments: &'p [Cow<'_, str>]) -> Option<Found<'_, 'p, T>> {
        let mut variables = Vec::new();
        let node = walk(&self.root, segments, &mut variables)?;
        Some(Found { methods: &node.methods, variables })
    }
}

fn walk<'t, 'p, T>(
    node: &'t Node<T>,
    segments: &'p [Cow<'_, str>],
    variables: &mut Vec<&'p str>,
) -> Option<&'t Node<T>> {
    let Some((first, rest)) = segments.split_first() else {
        return (!node.methods.is_empty()).then_some(node);
    };
    if let Some(literal) = node.literals.get(first.as_ref())
        && let Some(found) = walk(literal, rest, variables)
    {
        return Some(found);
    }
    let variable = node.variable.as_ref().filter(|_| !first.is_empty())?;
    variables.push(first);
    let found = walk(variable, rest, variables);
    if found.is_none() {
        variables.pop();
    }
    found
}

/// The segments of a raw path, split before they are percent-decoded, so that `%2F` is part of a segment. `None` if
/// one is not UTF-8.
pub(crate) fn segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/').map(|segment| percent_encoding::percent_decode_str(segment).decode_utf8().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(templates: &[(&str, Method)]) -> Tree<usize> {
        let mut tree = Tree::default();
        for (number, (template, method)) in templates.iter().enumerate() {
            assert!(tree.insert(&Template::parse(template).unwrap(), method.clone(), number));
        }
        tree
    }

    fn find(tree: &Tree<usize>, path: &str) -> Option<(Vec<usize>, Vec<String>)> {
        let segments = segments(path).unwrap();
        let found = tree.find(&segments)?;
        let numbers = found.methods.iter().map(|(_, number)| *number).collect();
        Some((numbers, found.variables.into_iter().map(str::to_owned).collect()))
    }

    #[test]
    fn literals_win_over_variables() {
        let tree = tree(&[
            ("/users/{id}", Method::GET),
            ("/users/me", Method::GET),
            ("/users/{user.id}", Method::PATCH),
            ("/users/{id}/roles", Method::PUT),
        ]);
        assert_eq!(find(&tree, "/users/me"), Some((vec![1], vec![])));
        assert_eq!(find(&tree, "/users/you"), Some((vec![0, 2], vec!["you".to_owned()])));
        assert_eq!(find(&tree, "/users/me/roles"), Some((vec![3], vec!["me".to_owned()])));
        for absent in ["/users", "/users/", "/users//roles", "/users/1/", "/nowhere", "/"] {
            assert_eq!(find(&tree, absent), None, "{absent}");
        }
    }

    #[test]
    fn a_segment_is_decoded_after_the_path_is_split() {
        let tree = tree(&[("/users/{id}", Method::GET)]);
        assert_eq!(find(&tree, "/users/a%2Fb"), Some((vec![0], vec!["a/b".to_owned()])));
        assert_eq!(find(&tree, "/%75sers/%C3%A4"), Some((vec![0], vec!["ä".to_owned()])));
        assert_eq!(segments("/users/%FF"), None);
    }

    #[test]
    fn the_same_shape_and_method_twice_is_refused() {
        let mut tree = tree(&[("/users/{id}", Method::GET)]);
        assert!(!tree.insert(&Template::parse("/users/{user.id}").unwrap(), Method::GET, 1));
        assert!(tree.insert(&Template::parse("/users/{user.id}").unwrap(), Method::PUT, 1));
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        for bad in
            ["users", "/", "/a//b", "/{}", "/{a", "/{a=b/*}", "/{id}:cancel", "/*", "/{a.}", "/ä", "/{A}"]
        {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
