//! The RPCs: parse, call, convert.

mod internal;
mod wire;

use moviebooking_auth::Caller;
use moviebooking_fields as fields;
use moviebooking_proto::{
    google::api::HttpBody,
    tickets::v1::{
        CheckInRequest, GetTicketKeysRequest, GetTicketPdfRequest, GetTicketQrRequest, GetTicketRequest,
        ListTicketsRequest, ListTicketsResponse, Ticket, TicketKeys, VoidTicketRequest,
        tickets_service_server::TicketsService,
    },
};
use moviebooking_store::idempotency;
use tonic::{Request, Response, Status, async_trait};

use crate::{Service, TicketError, read};

/// Characters of a code at most, with room to spare: longer ones are refused by name.
const LONGEST_CODE: usize = 400;
const LONGEST_REASON: usize = 500;

#[async_trait]
impl TicketsService for Service {
    async fn list_tickets(
        &self,
        request: Request<ListTicketsRequest>,
    ) -> Result<Response<ListTicketsResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let showtime = fields::optional_id("showtime_id", &request.showtime_id)?;
        let payment = fields::optional_id("payment_id", &request.payment_id)?;
        let filter = read::filter(&caller, showtime, payment)?;
        let (tickets, next_page_token) = self.list(&filter, request.page_size, &request.page_token).await?;
        Ok(Response::new(ListTicketsResponse {
            tickets: tickets.iter().map(Into::into).collect(),
            next_page_token,
        }))
    }

    async fn get_ticket_keys(
        &self,
        _: Request<GetTicketKeysRequest>,
    ) -> Result<Response<TicketKeys>, Status> {
        let keys = self.keys.get().await.map_err(TicketError::from)?;
        Ok(Response::new(TicketKeys { keys: keys.public().iter().map(Into::into).collect() }))
    }

    async fn get_ticket(&self, request: Request<GetTicketRequest>) -> Result<Response<Ticket>, Status> {
        let id = fields::id("id", &request.get_ref().id)?;
        let ticket = self.get(&Caller::of(&request), id).await?;
        Ok(Response::new((&ticket).into()))
    }

    async fn get_ticket_qr(
        &self,
        request: Request<GetTicketQrRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        let id = fields::id("id", &request.get_ref().id)?;
        let svg = self.qr(&Caller::of(&request), id).await?;
        Ok(body("image/svg+xml", svg.into_bytes()))
    }

    async fn get_ticket_pdf(
        &self,
        request: Request<GetTicketPdfRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        let id = fields::id("id", &request.get_ref().id)?;
        let pdf = self.pdf(&Caller::of(&request), id).await?;
        Ok(body("application/pdf", pdf))
    }

    async fn check_in(&self, request: Request<CheckInRequest>) -> Result<Response<Ticket>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let code = fields::text("code", &request.code, 1, LONGEST_CODE)?;
        let showtime = fields::optional_id("showtime_id", &request.showtime_id)?;
        let key = idempotency::Request::optional(
            &caller.key_scope(),
            &request.request_id,
            "tickets.CheckIn",
            &request,
        )?;
        Ok(Response::new(self.check_in(&caller, &code, showtime, &key).await?))
    }

    async fn void_ticket(&self, request: Request<VoidTicketRequest>) -> Result<Response<Ticket>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let id = fields::id("id", &request.id)?;
        let reason = fields::long_text("reason", &request.reason, 0, LONGEST_REASON)?;
        let key = idempotency::Request::optional(
            &caller.key_scope(),
            &request.request_id,
            "tickets.VoidTicket",
            &request,
        )?;
        Ok(Response::new(self.void(&caller, id, &reason, &key).await?))
    }
}

fn body(content_type: &str, data: Vec<u8>) -> Response<HttpBody> {
    Response::new(HttpBody {
        content_type: content_type.to_owned(),
        data: data.into(),
        extensions: Vec::new(),
    })
}
