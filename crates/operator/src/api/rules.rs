//! What several fields must be, as rules of CEL. Each field says by itself what is wrong with its value.

/// A name of a host: labels of RFC 1123 with dots between them.
pub(super) const HOST: &str =
    r"self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')";
/// A name of an object whose kind allows dots in it.
pub(super) const NAME: &str = "self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')";
/// A name of an object that is a label of RFC 1123.
pub(super) const LABEL: &str = "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')";
/// A reference to an image, with or without tag and digest.
pub(super) const IMAGE: &str = "self.matches('^[a-z0-9][A-Za-z0-9._:/@-]*$')";
/// A positive quantity, as Kubernetes writes it.
pub(super) const QUANTITY: &str =
    "type(self) == int ? self > 0 : isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))";
