//! The sandbox bank, as another process or within this one: the same requests either way.

#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{
    Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use moviebooking_domain::{
    id::{PaymentId, RefundId},
    money::Money,
};
use moviebooking_process::Credential;
use moviebooking_sandbox_bank::{
    Bank, BankSecret, SIGNATURE_HEADER, router,
    wire::{self, Answer},
};
use moviebooking_serve::StartError;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tower::ServiceExt as _;

use super::{
    Authorisation, BuyerAction, Charged, Found, Happened, Movement, Notice, Open, Operation, Provider,
    ProviderError, Transaction, TransactionPage, TransactionQuery, Webhook, WebhookRefused, http_client,
    signature,
};

/// The name of the provider.
const NAME: &str = "sandbox";
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);

/// Where the sandbox bank is.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "sandbox")]
pub struct Args {
    /// URL of the sandbox bank, where it is a process of its own.
    #[arg(long, env = "MOVIEBOOKING_SANDBOX_URL", value_name = "URL")]
    sandbox_url: Option<String>,
    /// File with the secret that the payments service and the sandbox bank share, at least 16 random bytes; or set
    /// MOVIEBOOKING_SANDBOX_SECRET to the secret itself. Where the bank is a process of its own.
    #[arg(long, env = "MOVIEBOOKING_SANDBOX_SECRET_FILE", value_name = "FILE")]
    sandbox_secret_file: Option<PathBuf>,
}

impl Args {
    /// Whether the bank is another process.
    pub(super) fn is_remote(&self) -> bool {
        self.sandbox_url.is_some()
    }
}

impl Open for Args {
    fn open(&self, bank: Option<&Bank>) -> Result<Arc<dyn Provider>, StartError> {
        let Some(url) = &self.sandbox_url else {
            let bank =
                bank.ok_or_else(|| StartError::usage("the sandbox bank is nowhere: set --sandbox-url"))?;
            return Ok(Arc::new(Sandbox::embedded(bank)));
        };
        let url = http_client::base_url("--sandbox-url", url)?;
        let secret = Credential {
            variable: "MOVIEBOOKING_SANDBOX_SECRET",
            flag: "--sandbox-secret-file",
            file: self.sandbox_secret_file.as_deref(),
        };
        let secret = BankSecret::new(secret.read()?).map_err(|error| {
            StartError::usage(format!("the bank's secret (MOVIEBOOKING_SANDBOX_SECRET): {error}"))
        })?;
        let client = http_client::builder(&url)?.connect_timeout(CONNECT);
        let client = client.build().map_err(|error| StartError::config(format!("--sandbox-url: {error}")))?;
        Ok(Arc::new(Sandbox { line: Line::Remote(client, url), secret }))
    }
}

/// The sandbox bank as a provider.
pub struct Sandbox {
    line: Line,
    secret: BankSecret,
}

enum Line {
    Remote(reqwest::Client, Url),
    Embedded(Router),
}

impl Sandbox {
    /// A bank of this process.
    pub fn embedded(bank: &Bank) -> Self {
        Self { line: Line::Embedded(router(bank)), secret: bank.secret().clone() }
    }

    /// Sends a request and gives the body of the answer, whatever it says.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Vec<u8>), ProviderError> {
        let bearer = self.secret.bearer();
        match &self.line {
            Line::Remote(client, url) => {
                let request = client.request(method, url.join(path).map_err(unknown)?);
                let request = request.header(AUTHORIZATION, bearer.expose_secret());
                let request = request.header(CONTENT_TYPE, "application/json").body(body);
                let answer = http_client::send(request).await.map_err(ProviderError::Unknown)?;
                Ok((answer.status(), answer.into_body()))
            }
            Line::Embedded(router) => {
                let request = Request::builder()
                    .method(method)
                    .uri(format!("/{path}"))
                    .header(AUTHORIZATION, bearer.expose_secret())
                    .header(CONTENT_TYPE, "application/json")
                    .body(Body::from(body));
                let answer = router.clone().oneshot(request.map_err(unknown)?).await.map_err(unknown)?;
                let status = answer.status();
                let body = axum::body::to_bytes(answer.into_body(), http_client::MOST_BYTES)
                    .await
                    .map_err(unknown)?;
                Ok((status, body.to_vec()))
            }
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Answer, ProviderError> {
        let body = body.map(serde_json::to_vec).transpose().map_err(unknown)?.unwrap_or_default();
        let (status, body) = self.send(method, path, body).await?;
        match status {
            StatusCode::OK | StatusCode::PAYMENT_REQUIRED | StatusCode::UNPROCESSABLE_ENTITY => {
                serde_json::from_slice(&body).map_err(unknown)
            }
            status => Err(ProviderError::Unknown(format!("the bank answered with {status}"))),
        }
    }

    async fn order(&self, path: &str, body: &impl Serialize) -> Result<(), ProviderError> {
        match self.ask(Method::POST, path, Some(body)).await? {
            Answer::Done => Ok(()),
            Answer::Declined { code } => Err(ProviderError::Declined(code)),
            other => Err(nonsense(&other)),
        }
    }
}

#[tonic::async_trait]
impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn authorise(
        &self,
        payment: PaymentId,
        amount: Money,
        token: &SecretString,
    ) -> Result<Authorisation, ProviderError> {
        let token = token.expose_secret().to_owned();
        let new = wire::NewPayment { id: payment.uuid(), amount: to_wire(amount), token };
        match self.ask(Method::POST, "v1/payments", Some(&new)).await? {
            Answer::Done => Ok(held(payment)),
            Answer::ActionRequired { url } => Ok(waiting(payment, url)),
            Answer::Declined { code } => Err(ProviderError::Declined(code)),
            Answer::UnknownToken => Err(ProviderError::InvalidToken),
            other @ Answer::Nothing => Err(nonsense(&other)),
        }
    }

    async fn capture(&self, payment: &Charged, amount: Money) -> Result<(), ProviderError> {
        let capture = wire::Capture { amount: to_wire(amount) };
        self.order(&format!("v1/payments/{}/capture", payment.id), &capture).await
    }

    async fn void(&self, payment: &Charged) -> Result<(), ProviderError> {
        self.order(&format!("v1/payments/{}/void", payment.id), &()).await
    }

    async fn refund(&self, payment: &Charged, refund: RefundId, amount: Money) -> Result<(), ProviderError> {
        let refund = wire::NewRefund { id: refund.uuid(), amount: to_wire(amount) };
        self.order(&format!("v1/payments/{}/refunds", payment.id), &refund).await
    }

    async fn look_up(&self, payment: &Charged, operation: Operation) -> Result<Found, ProviderError> {
        let name = match operation {
            Operation::Authorise(_) => "authorise".to_owned(),
            Operation::Capture(_) => "capture".to_owned(),
            Operation::Void(_) => "void".to_owned(),
            Operation::Refund(_, refund) => format!("refund:{refund}"),
        };
        let path = format!("v1/payments/{}/operations/{name}", payment.id);
        Ok(match (self.ask(Method::GET, &path, None::<&()>).await?, operation) {
            (Answer::Nothing, _) => Found::Nothing,
            (Answer::Declined { code }, _) => Found::Declined(code),
            (Answer::Done, Operation::Authorise(_)) => Found::Authorisation(held(payment.id)),
            (Answer::Done, _) => Found::Done,
            (Answer::ActionRequired { url }, Operation::Authorise(_)) => {
                Found::Authorisation(waiting(payment.id, url))
            }
            (other, _) => return Err(nonsense(&other)),
        })
    }

    async fn transactions(&self, query: &TransactionQuery) -> Result<TransactionPage, ProviderError> {
        let after = query.after.as_deref().map(|after| utf8_percent_encode(after, NON_ALPHANUMERIC));
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        let path = format!("v1/transactions?from={}&to={}{after}", query.from, query.to);
        let (status, body) = self.send(Method::GET, &path, Vec::new()).await?;
        if status != StatusCode::OK {
            return Err(ProviderError::Unknown(format!("the bank answered with {status}")));
        }
        let page: wire::Transactions = serde_json::from_slice(&body).map_err(unknown)?;
        let transactions = page.transactions.into_iter().map(transaction).collect::<Result<_, _>>()?;
        Ok(TransactionPage { transactions, next: page.next })
    }

    fn read_webhook(&self, webhook: &Webhook<'_>) -> Result<Notice, WebhookRefused> {
        signature::verify(webhook.headers.get(SIGNATURE_HEADER), &self.secret.webhook_key(), webhook)?;
        let event: wire::Event = serde_json::from_slice(webhook.body)
            .map_err(|error| WebhookRefused::Malformed(error.to_string()))?;
        let happened =
            if event.kind.starts_with("payment.") { Happened::Changed } else { Happened::Irrelevant };
        Ok(Notice { id: event.id, kind: event.kind, payment: Some(event.payment_id.into()), happened })
    }
}

/// The bank calls a payment as the merchant does.
fn held(payment: PaymentId) -> Authorisation {
    Authorisation { reference: payment.to_string(), action: None }
}

fn waiting(payment: PaymentId, url: String) -> Authorisation {
    Authorisation { action: Some(BuyerAction { url, client_secret: None }), ..held(payment) }
}

fn to_wire(amount: Money) -> wire::Amount {
    wire::Amount { minor: amount.minor, currency: amount.currency.code().to_owned() }
}

fn transaction(moved: wire::Transaction) -> Result<Transaction, ProviderError> {
    let movement = match moved.refund_id {
        Some(refund) => Movement::Refund(Some(refund.into())),
        None => Movement::Capture,
    };
    let money = |amount: wire::Amount| -> Result<Money, ProviderError> {
        Ok(Money::new(amount.minor, amount.currency.parse().map_err(unknown)?))
    };
    Ok(Transaction {
        id: moved.id,
        payment: Some(moved.payment_id.into()),
        movement,
        amount: money(moved.amount)?,
        fee: Some(money(moved.fee)?),
        time: moved.time,
    })
}

fn nonsense(answer: &Answer) -> ProviderError {
    ProviderError::Unknown(format!("the bank answered something that makes no sense here: {answer:?}"))
}

fn unknown(error: impl std::fmt::Display) -> ProviderError {
    ProviderError::Unknown(error.to_string())
}
