//! No seat is sold twice: what reservations checks over its own history.

use moviebooking_reservations::audit::audit;
use moviebooking_store::{Db, StoreError};

use crate::{Findings, Invariant};

pub(crate) async fn check(db: &Db, found: &mut Findings) -> Result<(), StoreError> {
    for violation in audit(db).await? {
        found.must(false, Invariant::SeatsSoldOnce, || violation.to_string());
    }
    Ok(())
}
