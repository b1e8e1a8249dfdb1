//! Who may see which payments.

use moviebooking_auth::Caller;
use moviebooking_domain::id::{PaymentId, ReservationId, UserId};
use moviebooking_fields::Page;
use moviebooking_proto::{Problem, Reason};

use crate::{
    Service,
    payment::{PastEvent, Payment},
    store::Listing,
};

impl Payment {
    /// Its buyer, those who run its theater, and the platform's services see a payment.
    pub(crate) fn visible_to(&self, caller: &Caller) -> bool {
        caller.is(self.user_id) || caller.runs(self.theater_id) || caller.is_service()
    }
}

impl Payment {
    /// As the caller sees it: what went wrong inside the platform is for admins, and how to confirm the payment is for its
    /// buyer alone.
    pub(crate) fn shown_to(self, caller: &Caller) -> Self {
        let parked = self.parked.map(|why| if caller.is_admin() { why } else { String::new() });
        let confirmation = self.confirmation.filter(|_| caller.is(self.user_id));
        Self { parked, confirmation, ..self }
    }
}

/// The answer to who may not see a payment, whether or not there is one.
pub(crate) fn not_found(field: &str) -> Problem {
    Problem::new(Reason::PaymentNotFound, "There is no payment with this id that you may see.")
        .field(field, "use the id of a payment of yours")
}

impl Service {
    /// One payment with its history.
    pub(crate) async fn get(
        &self,
        caller: &Caller,
        id: PaymentId,
    ) -> Result<(Payment, Vec<PastEvent>), Problem> {
        let payment = self.store.payment(id).await?;
        let payment = payment.filter(|payment| payment.visible_to(caller)).ok_or_else(|| not_found("id"))?;
        let history = self.store.history(id).await?;
        Ok((payment.shown_to(caller), history))
    }

    /// A page of payments, newest first, and the token of the next page.
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        page: &Page,
        user: Option<UserId>,
        reservation: Option<ReservationId>,
        parked: bool,
    ) -> Result<(Vec<Payment>, String), Problem> {
        if parked && !caller.is_admin() && !caller.is_service() {
            return Err(Problem::new(Reason::PermissionDenied, "Only admins may list what is parked.")
                .field("parked", "leave it out"));
        }
        let user = if caller.is_admin() || caller.is_service() {
            user
        } else {
            let own = caller.user()?.id;
            if user.is_some_and(|user| user != own) {
                return Err(Problem::new(
                    Reason::PermissionDenied,
                    "Only admins may list the payments of others.",
                )
                .field("user_id", "leave it out"));
            }
            Some(own)
        };
        let before = page.after.as_deref().map(last_shown).transpose()?;
        let listing = Listing { user, reservation, parked, before, limit: page.limit() };
        let mut payments = self.store.list(&listing).await?;
        let next = page.cut(&mut payments, |payment| vec![payment.id.to_string()]);
        let payments = payments.into_iter().map(|payment| payment.shown_to(caller)).collect();
        Ok((payments, next))
    }
}

/// The payment that a page token names. Its checksum is no secret, so it may hold anything.
fn last_shown(key: &[String]) -> Result<PaymentId, Problem> {
    match key {
        [id] => moviebooking_fields::id("page_token", id),
        _ => Err(Problem::invalid("page_token", "use next_page_token as the platform gave it")),
    }
}
