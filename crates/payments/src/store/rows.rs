//! Rows of the payments database as what they are.

use moviebooking_domain::money::Money;
use moviebooking_proto::{Reason, payments::v1::Offer, tickets::v1::IssueTicketsRequest};
use moviebooking_store::{Row, StoreError};
use prost::Message as _;

use super::{Lease, corrupt, currency, parsed};
use crate::{
    payment::{BoughtTicket, Confirmation, Exchange, Key, PastEvent, Payment, ReturnTerms, Returned},
    provider::BuyerAction,
    refund::Refund,
    step::Failure,
};

impl Payment {
    /// A row of `payments`, without its tickets, its offers and what is parked of it.
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        let order: Vec<u8> = row.get("ticket_order")?;
        Ok(Self {
            id: row.get("id")?,
            reservation_id: row.get("reservation_id")?,
            user_id: row.get("user_id")?,
            theater_id: row.get("theater_id")?,
            showtime_id: row.get("showtime_id")?,
            state: parsed(row, "state")?,
            amount: Money::new(row.get("amount")?, currency(row)?),
            refunded: row.get("refunded")?,
            refund_reserved: row.get("refund_reserved")?,
            fees: row.get("fees")?,
            exchange: exchange(row)?,
            carried_back: row.get("carried_back")?,
            carried_out: row.get("carried_out")?,
            provider: row.get("provider")?,
            provider_reference: row.get("provider_reference")?,
            token: row.get::<Option<String>>("payment_token")?.map(Into::into),
            confirmation: confirmation(row)?,
            ticket_order: IssueTicketsRequest::decode(order.as_slice())
                .map_err(|error| corrupt("ticket_order", error))?,
            failure: failure(row)?,
            key: key(row)?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            completed_at: row.get("completed_at")?,
            lease: Lease::read(row)?,
            ticket_ids: Vec::new(),
            offers: Vec::new(),
            parked: None,
        })
    }
}

impl Payment {
    /// A row of `payments` with the reason for which something of it is parked, without its tickets and offers.
    pub(super) fn read_whole(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { parked: row.get("parked_reason")?, ..Self::read(row)? })
    }
}

impl Refund {
    /// A row of `refunds`.
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            payment_id: row.get("payment_id")?,
            reservation_id: row.get("reservation_id")?,
            state: parsed(row, "state")?,
            amount: Money::new(row.get("amount")?, currency(row)?),
            failure: failure(row)?,
            key: key(row)?,
            fee: row.get("fee")?,
            leave_checked_in: row.get("leave_checked_in")?,
            carried: row.get("carried")?,
            after: returned(row)?,
            updated_at: row.get("updated_at")?,
            lease: Lease::read(row)?,
        })
    }
}

impl BoughtTicket {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let terms = match (row.get("returnable_until")?, row.get("return_fee")?) {
            (Some(until), Some(fee)) => Some(ReturnTerms { until, fee }),
            _ => None,
        };
        Ok(Self { id: row.get("ticket_id")?, seat: row.get("seat")?, price: row.get("price")?, terms })
    }
}

impl PastEvent {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            time: row.get("happened_at")?,
            kind: row.get("kind")?,
            amount: row.get("amount")?,
            detail: row.get("detail")?,
        })
    }
}

/// The column `payment_offers.offers`.
#[derive(Clone, PartialEq, prost::Message)]
struct Offers {
    #[prost(message, repeated, tag = "1")]
    offers: Vec<Offer>,
}

pub(super) fn encode_offers(offers: &[Offer]) -> Vec<u8> {
    Offers { offers: offers.to_vec() }.encode_to_vec()
}

/// A row of `payment_offers`.
pub(super) fn offers(row: &Row) -> Result<Vec<Offer>, StoreError> {
    let encoded: Vec<u8> = row.get("offers")?;
    Offers::decode(encoded.as_slice()).map(|offers| offers.offers).map_err(|error| corrupt("offers", error))
}

fn exchange(row: &Row) -> Result<Option<Exchange>, StoreError> {
    Ok(match (row.get("exchange_of")?, row.get("exchange_refund_id")?) {
        (Some(of), Some(refund)) => Some(Exchange { of, refund, carried: row.get("carried_in")? }),
        _ => None,
    })
}

fn returned(row: &Row) -> Result<Option<Returned>, StoreError> {
    Ok(match row.get("refunded_after")? {
        // Refunds that ended before there were fees and exchanges have none.
        Some(refunded) => Some(Returned {
            refunded,
            fees: row.get::<Option<i64>>("fees_after")?.unwrap_or_default(),
            carried: row.get::<Option<i64>>("carried_after")?.unwrap_or_default(),
        }),
        None => None,
    })
}

fn key(row: &Row) -> Result<Key, StoreError> {
    Ok(Key { request_id: row.get("request_id")?, fingerprint: row.get("fingerprint")? })
}

fn confirmation(row: &Row) -> Result<Option<Confirmation>, StoreError> {
    let url: Option<String> = row.get("action_url")?;
    let Some(url) = url else { return Ok(None) };
    let client_secret = row.get::<Option<String>>("action_secret")?.map(Into::into);
    Ok(Some(Confirmation { action: BuyerAction { url, client_secret }, until: row.get("confirm_by")? }))
}

fn failure(row: &Row) -> Result<Option<Failure>, StoreError> {
    let reason: String = row.get("failure_reason")?;
    if reason.is_empty() {
        return Ok(None);
    }
    let reason = Reason::from_name(&reason)
        .ok_or_else(|| corrupt("failure_reason", format!("{reason} is no reason")))?;
    Ok(Some(Failure { reason, code: row.get("failure_code")? }))
}
