//! An account and what it may do.

use jiff::Timestamp;
use moviebooking_domain::id::{TheaterId, UserId};

/// An account as it is shown. A deleted one has neither e-mail nor name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: UserId,
    pub(crate) email: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) roles: Roles,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) deleted_at: Option<Timestamp>,
}

/// What an account may do beyond what every customer may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) admin: bool,
    staff_of: Vec<TheaterId>,
}

impl Roles {
    /// Roles; a theater that is named twice counts once.
    pub(crate) fn new(admin: bool, mut staff_of: Vec<TheaterId>) -> Self {
        staff_of.sort_unstable();
        staff_of.dedup();
        Self { admin, staff_of }
    }

    /// The theaters that the account runs, in the order of their ids.
    pub(crate) fn staff_of(&self) -> &[TheaterId] {
        &self.staff_of
    }
}
