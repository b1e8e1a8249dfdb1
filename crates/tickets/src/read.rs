//! Reading tickets, and drawing them.

use moviebooking_auth::Caller;
use moviebooking_domain::id::{PaymentId, ShowtimeId, TicketId};
use moviebooking_fields::Page;
use moviebooking_proto::{Problem, Reason};
use uuid::Uuid;

use crate::{
    Service, TicketError,
    ends::may_see,
    pdf::PdfError,
    qr,
    store::{self, Filter, Viewer},
    ticket::Ticket,
};

impl Service {
    /// A ticket that the caller may see.
    pub(crate) async fn get(&self, caller: &Caller, id: TicketId) -> Result<Ticket, TicketError> {
        let ticket = store::get(&self.db, id).await?;
        ticket.filter(|ticket| may_see(caller, ticket)).ok_or(TicketError::NotFound)
    }

    /// Its code as a picture, in SVG.
    pub(crate) async fn qr(&self, caller: &Caller, id: TicketId) -> Result<String, TicketError> {
        let ticket = self.get(caller, id).await?;
        Ok(qr::Qr::new(&ticket.code).map_err(PdfError::from)?.svg())
    }

    /// The ticket to print.
    pub(crate) async fn pdf(&self, caller: &Caller, id: TicketId) -> Result<Vec<u8>, TicketError> {
        let ticket = self.get(caller, id).await?;
        Ok(self.printer.print(ticket).await?)
    }

    /// One page of the tickets that the caller may see, newest first, and the token of the next page.
    pub(crate) async fn list(
        &self,
        filter: &Filter,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<Ticket>, String), TicketError> {
        let filters = format!("{filter:?}");
        let page = Page::parse(page_size, page_token, "tickets", &[&filters])?;
        let before = page.after.as_deref().map(position).transpose()?;
        let mut tickets = store::list(&self.db, filter, before, page.limit()).await?;
        let next = page.cut(&mut tickets, |ticket| vec![ticket.id.to_string()]);
        Ok((tickets, next))
    }
}

/// What a caller sees in a list: their own tickets; staff who ask for a showtime, all of it in their theaters; admins
/// and services all.
pub(crate) fn filter(
    caller: &Caller,
    showtime: Option<ShowtimeId>,
    payment: Option<PaymentId>,
) -> Result<Filter, Problem> {
    let viewer = match caller {
        Caller::Service(_) => Viewer::All,
        _ if caller.is_admin() => Viewer::All,
        _ => {
            let user = caller.user()?;
            match showtime {
                Some(_) if !user.staff_of.is_empty() => Viewer::Staff(user.id, user.staff_of.clone()),
                _ => Viewer::Own(user.id),
            }
        }
    };
    Ok(Filter { viewer, showtime, payment })
}

/// The ticket that the page before ended with.
fn position(key: &[String]) -> Result<TicketId, Problem> {
    let id = match key {
        [id] => Uuid::try_parse(id).ok(),
        _ => None,
    };
    id.map(TicketId::from).ok_or_else(|| {
        Problem::new(Reason::InvalidPageToken, "page_token: use next_page_token of this list")
            .field("page_token", "use next_page_token of this list")
    })
}
