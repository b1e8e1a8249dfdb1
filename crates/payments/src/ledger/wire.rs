//! The ledger over gRPC.

use moviebooking_domain::id::{PaymentId, RefundId, TheaterId};
use moviebooking_fields as fields;
use moviebooking_proto::{
    Problem,
    payments::v1::{
        self as wire, GetLedgerBalancesRequest, GetLedgerBalancesResponse, ListLedgerEntriesRequest,
        ListLedgerEntriesResponse, ledger_service_server::LedgerService,
    },
};
use tonic::{Request, Response, Status};

use super::{Balance, Entry, Filter};
use crate::Service;

/// The longest name of a provider.
const LONGEST_PROVIDER: usize = 50;

#[tonic::async_trait]
impl LedgerService for Service {
    async fn get_ledger_balances(
        &self,
        request: Request<GetLedgerBalancesRequest>,
    ) -> Result<Response<GetLedgerBalancesResponse>, Status> {
        let message = request.get_ref();
        let filter = Filter {
            theater: fields::optional_id::<TheaterId>("theater_id", &message.theater_id)?,
            provider: provider(&message.provider)?,
            to: fields::time::optional("before", message.before.as_ref())?,
            ..Filter::default()
        };
        let balances = self.store.ledger_balances(&filter).await.map_err(Problem::from)?;
        let balances = balances.iter().map(Balance::to_wire).collect();
        Ok(Response::new(GetLedgerBalancesResponse { balances }))
    }

    async fn list_ledger_entries(
        &self,
        request: Request<ListLedgerEntriesRequest>,
    ) -> Result<Response<ListLedgerEntriesResponse>, Status> {
        let message = request.get_ref();
        let filter = Filter {
            theater: fields::optional_id::<TheaterId>("theater_id", &message.theater_id)?,
            provider: provider(&message.provider)?,
            payment: fields::optional_id::<PaymentId>("payment_id", &message.payment_id)?,
            from: fields::time::optional("from", message.from.as_ref())?,
            to: fields::time::optional("before", message.before.as_ref())?,
            ..Filter::default()
        };
        let time = |time: Option<jiff::Timestamp>| time.map_or_else(String::new, |time| time.to_string());
        let (from, before) = (time(filter.from), time(filter.to));
        let filters: [&str; 5] =
            [&message.theater_id, &message.provider, &message.payment_id, from.as_str(), before.as_str()];
        let page = fields::Page::parse(message.page_size, &message.page_token, "ledger", &filters)?;
        let (entries, next_page_token) = self.ledger_entries(&page, filter).await?;
        let entries = entries.iter().map(Entry::to_wire).collect();
        Ok(Response::new(ListLedgerEntriesResponse { entries, next_page_token }))
    }
}

fn provider(name: &str) -> Result<Option<String>, Problem> {
    if name.is_empty() { Ok(None) } else { fields::text("provider", name, 1, LONGEST_PROVIDER).map(Some) }
}

impl Entry {
    fn to_wire(&self) -> wire::LedgerEntry {
        wire::LedgerEntry {
            time: Some(fields::time::to_wire(self.booked_at)),
            payment_id: self.payment.to_string(),
            movement: self.movement.clone(),
            debit: self.debit.name().to_owned(),
            credit: self.credit.name().to_owned(),
            amount: Some(fields::to_money(self.amount)),
            theater_id: self.theater.to_string(),
            provider: self.provider.clone(),
            refund_id: self.refund.as_ref().map_or_else(String::new, RefundId::to_string),
        }
    }
}

impl Balance {
    fn to_wire(&self) -> wire::LedgerBalance {
        wire::LedgerBalance {
            theater_id: self.theater.to_string(),
            provider: self.provider.clone(),
            account: self.account.name().to_owned(),
            balance: Some(fields::to_money(self.balance)),
        }
    }
}
