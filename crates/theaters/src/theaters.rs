//! What is done with theaters.

use jiff::Timestamp;
use moviebooking_auth::Caller;
use moviebooking_domain::{id::TheaterId, money::Currency, refund::RefundPolicy};
use moviebooking_events::outbox;
use moviebooking_fields::{self as fields, Page};
use moviebooking_proto::theaters::v1 as wire;
use moviebooking_store::{Tx, idempotency::Request};

use crate::{Service, error::Error, store};

/// A theater.
#[derive(Clone, Debug)]
pub(crate) struct Theater {
    pub(crate) id: TheaterId,
    pub(crate) display_name: String,
    pub(crate) address: Address,
    /// As the IANA database writes it.
    pub(crate) time_zone: String,
    pub(crate) currency: Currency,
    /// None where only staff pays back.
    pub(crate) refund_policy: Option<RefundPolicy>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) closed: bool,
    /// Counts its changes: the etag.
    pub(crate) version: i64,
}

/// A postal address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Address {
    pub(crate) lines: Vec<String>,
    pub(crate) postal_code: String,
    pub(crate) city: String,
    pub(crate) region: String,
    pub(crate) country_code: String,
}

/// What is known of a theater that does not exist yet.
#[derive(Clone, Debug)]
pub(crate) struct NewTheater {
    pub(crate) display_name: String,
    pub(crate) address: Address,
    pub(crate) time_zone: String,
    pub(crate) currency: Currency,
    /// None where only staff pays back.
    pub(crate) refund_policy: Option<RefundPolicy>,
}

/// A change of a theater: what is `None` stays.
#[derive(Clone, Debug)]
pub(crate) struct TheaterChange {
    pub(crate) display_name: Option<String>,
    pub(crate) address: Option<Address>,
    pub(crate) time_zone: Option<String>,
    pub(crate) currency: Option<Currency>,
    /// `Some(None)` takes it away.
    pub(crate) refund_policy: Option<Option<RefundPolicy>>,
    /// The version that the caller has seen; empty when they do not care.
    pub(crate) etag: String,
}

impl Service {
    pub(crate) async fn open_theater(
        &self,
        request: &Request,
        new: &NewTheater,
    ) -> Result<wire::Theater, Error> {
        self.once(request, |mut tx, now| async move {
            let NewTheater { display_name, address, time_zone, currency, refund_policy } = new.clone();
            let theater = Theater {
                id: TheaterId::new(now),
                display_name,
                address,
                time_zone,
                currency,
                refund_policy,
                created_at: now,
                updated_at: now,
                closed: false,
                version: 1,
            };
            store::open_theater(&mut tx, &theater).await?;
            let theater_id = theater.id.to_string();
            outbox::append(&mut tx, now, theater.id, &wire::TheaterCreated { theater_id }).await?;
            Ok((tx, theater))
        })
        .await
    }

    /// A theater, open or closed.
    pub(crate) async fn theater(&self, id: TheaterId) -> Result<Theater, Error> {
        store::find_theater((&self.db).into(), id).await?.ok_or(Error::TheaterNotFound)
    }

    /// A page of the open theaters by id, and the token of the next one.
    pub(crate) async fn theaters(&self, page: &Page) -> Result<(Vec<Theater>, String), Error> {
        let after = match page.after.as_deref() {
            Some([last]) => Some(fields::id("page_token", last)?),
            _ => None,
        };
        let mut theaters = store::list_theaters(&self.db, after, page.limit()).await?;
        let next = page.cut(&mut theaters, |theater| vec![theater.id.to_string()]);
        Ok((theaters, next))
    }

    pub(crate) async fn change_theater(
        &self,
        caller: &Caller,
        request: &Request,
        id: TheaterId,
        change: &TheaterChange,
    ) -> Result<wire::Theater, Error> {
        self.once(request, |mut tx, now| async move {
            let mut theater = open_theater_locked(&mut tx, id, Some(caller)).await?;
            fields::etag(&change.etag, theater.version)?;
            let fixed = fixed_field(&theater, change);
            if let Some(field) = fixed
                && store::theater_has_halls(&mut tx, id).await?
            {
                return Err(Error::Fixed(field));
            }
            let TheaterChange { display_name, address, time_zone, currency, refund_policy, etag: _ } =
                change.clone();
            theater.display_name = display_name.unwrap_or(theater.display_name);
            theater.address = address.unwrap_or(theater.address);
            theater.time_zone = time_zone.unwrap_or(theater.time_zone);
            theater.currency = currency.unwrap_or(theater.currency);
            theater.refund_policy = refund_policy.unwrap_or(theater.refund_policy);
            theater.updated_at = now;
            theater.version += 1;
            store::change_theater(&mut tx, &theater).await?;
            outbox::append(&mut tx, now, id, &wire::TheaterUpdated { theater_id: id.to_string() }).await?;
            Ok((tx, theater))
        })
        .await
    }

    /// Closes a theater and its halls.
    pub(crate) async fn close_theater(&self, request: &Request, id: TheaterId) -> Result<(), Error> {
        self.once(request, |mut tx, now| async move {
            open_theater_locked(&mut tx, id, None).await?;
            store::close_theater(&mut tx, id, now).await?;
            outbox::append(&mut tx, now, id, &wire::TheaterClosed { theater_id: id.to_string() }).await?;
            Ok((tx, ()))
        })
        .await
    }
}

/// Takes the theater's lock and reads it, if it is open and `runner`, where one is given, runs it.
pub(crate) async fn open_theater_locked(
    tx: &mut Tx,
    id: TheaterId,
    runner: Option<&Caller>,
) -> Result<Theater, Error> {
    tx.lock("theater", id.uuid()).await?;
    let theater = store::find_theater(tx.into(), id).await?.ok_or(Error::TheaterNotFound)?;
    if let Some(caller) = runner {
        caller.must_run(id)?;
    }
    if theater.closed { Err(Error::TheaterClosed) } else { Ok(theater) }
}

/// The field of a change that halls depend on.
fn fixed_field(theater: &Theater, change: &TheaterChange) -> Option<&'static str> {
    let differs = |wanted: &Option<String>, is: &str| wanted.as_ref().is_some_and(|wanted| wanted != is);
    if differs(&change.time_zone, &theater.time_zone) {
        Some("theater.time_zone")
    } else if change.currency.is_some_and(|currency| currency != theater.currency) {
        Some("theater.currency_code")
    } else {
        None
    }
}
