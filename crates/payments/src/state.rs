//! The states of a saga: one list, from which all that goes through the states is made.

/// The database has a state that this program does not know.
#[derive(Debug, thiserror::Error)]
#[error("unknown state")]
pub(crate) struct UnknownState;

/// Declares the enum `State` of a saga, each state with the name that it has in the database. `ALL`, `name` and
/// `FromStr` are made from the same list, so that none of them leaves a state out.
macro_rules! states {
    ($(#[doc = $about:literal])+ enum State { $($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+ }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum State {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl State {
            /// Every state.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in the database.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl std::str::FromStr for State {
            type Err = $crate::state::UnknownState;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|state| state.name() == name).ok_or($crate::state::UnknownState)
            }
        }
    };
}

pub(crate) use states;
