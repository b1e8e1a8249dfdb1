//! Issued tickets, their keys and check-ins
