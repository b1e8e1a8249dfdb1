//! Enums whose variants have names in the database: one list, from which all that goes through them is made.

/// The database has a name that this program does not know.
#[derive(Debug, thiserror::Error)]
#[error("unknown name")]
pub(crate) struct UnknownName;

/// Declares an enum, each variant with the name that it has in the database. `ALL`, `name` and `FromStr` are made from the
/// same list, so that none of them leaves a variant out.
macro_rules! named {
    ($(#[doc = $about:literal])+ enum $Enum:ident { $($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+ }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum $Enum {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl $Enum {
            /// Every variant.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in the database.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl std::str::FromStr for $Enum {
            type Err = $crate::named::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|variant| variant.name() == name).ok_or($crate::named::UnknownName)
            }
        }
    };
}

pub(crate) use named;
