//! Which provider a process uses. A new one is a module with `Args`, a group named like it, that implement [`Open`], and one
//! line here.

use std::sync::Arc;

use moviebooking_sandbox_bank::Bank;
use moviebooking_serve::StartError;

use super::{Open, Provider, sandbox, stripe};

macro_rules! providers {
    ($($(#[doc = $doc:literal])+ $module:ident $Name:ident;)*) => {
        /// The providers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
        enum Choice { $($(#[doc = $doc])+ $Name,)* }

        /// Who moves the money; flatten it into the settings of a process.
        #[derive(Clone, Debug, clap::Args)]
        pub struct ProviderArgs {
            /// Who moves the money.
            #[arg(long, env = "MOVIEBOOKING_PAYMENT_PROVIDER", value_enum, default_value = "sandbox")]
            payment_provider: Choice,
            $(#[command(flatten)] $module: $module::Args,)*
        }

        impl ProviderArgs {
            /// The provider that is chosen; `bank` is the sandbox bank of this process, where it [has
            /// one](Self::embeds_bank).
            ///
            /// # Errors
            /// When one of its settings is missing or cannot be used.
            pub fn open(&self, bank: Option<&Bank>) -> Result<Arc<dyn Provider>, StartError> {
                match self.payment_provider { $(Choice::$Name => self.$module.open(bank),)* }
            }
        }
    };
}

providers! {
    /// The sandbox bank: no money, and tokens that say what happens.
    sandbox Sandbox;
    /// Stripe: cards.
    stripe Stripe;
}

impl ProviderArgs {
    /// Whether the sandbox bank is a part of this process.
    pub fn embeds_bank(&self) -> bool {
        self.payment_provider == Choice::Sandbox && !self.sandbox.is_remote()
    }
}
