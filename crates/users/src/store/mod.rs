//! The transactional operations on the service's database.

pub(crate) mod accounts;
pub(crate) mod attempts;
mod changes;
pub(crate) mod keys;
pub(crate) mod sessions;

pub(crate) use changes::{
    Registered, add_admin, change_password, erase, register, registered, set_roles, update_profile,
};
