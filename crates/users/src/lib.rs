//! Accounts, login, roles and the keys that tokens are signed with
