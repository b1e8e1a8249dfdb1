//! What is kept: tickets and the keys that they are signed with.

mod ends;
mod issue;
pub(crate) mod keys;
mod read;
mod row;

pub(crate) use ends::{check_in, void, void_of_payment};
pub(crate) use issue::{IssueError, Issuer};
pub(crate) use read::{Filter, Viewer, get, list, of_payment};
