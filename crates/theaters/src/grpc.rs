//! The RPCs: read the request, call the use case, write the answer.

mod read;
mod write;

use moviebooking_auth::Caller;
use moviebooking_fields::{self as fields, Mask, Page, layout::from_wire};
use moviebooking_proto::{
    Problem,
    google::api::HttpBody,
    theaters::v1::{self as wire, theaters_service_server::TheatersService},
};
use moviebooking_store::idempotency::{IdempotencyError, Request as Key};
use prost::Message;
use tonic::{Request, Response, Status};

use crate::{Service, pretix};

/// The idempotency key of a request that must have one.
fn key(
    caller: &Caller,
    id: &str,
    method: &'static str,
    message: &impl Message,
) -> Result<Key, IdempotencyError> {
    Key::required(&caller.key_scope(), id, method, message)
}

/// The idempotency key of a request that may have one.
fn optional_key(
    caller: &Caller,
    id: &str,
    method: &'static str,
    message: &impl Message,
) -> Result<Key, IdempotencyError> {
    Key::optional(&caller.key_scope(), id, method, message)
}

fn missing(field: &str) -> Problem {
    Problem::invalid(field, format!("give the {field}"))
}

/// `version` of a layout in a request.
fn version(value: i32) -> Result<i32, Problem> {
    fields::number("version", value, 1, i32::MAX)
}

#[tonic::async_trait]
impl TheatersService for Service {
    async fn list_theaters(
        &self,
        request: Request<wire::ListTheatersRequest>,
    ) -> Result<Response<wire::ListTheatersResponse>, Status> {
        let message = request.into_inner();
        let page = Page::parse(message.page_size, &message.page_token, "theaters", &[])?;
        let (theaters, next_page_token) = self.theaters(&page).await?;
        let theaters = theaters.into_iter().map(Into::into).collect();
        Ok(Response::new(wire::ListTheatersResponse { theaters, next_page_token }))
    }

    async fn get_theater(
        &self,
        request: Request<wire::GetTheaterRequest>,
    ) -> Result<Response<wire::Theater>, Status> {
        let theater = self.theater(fields::id("id", &request.into_inner().id)?).await?;
        Ok(Response::new(theater.into()))
    }

    async fn create_theater(
        &self,
        request: Request<wire::CreateTheaterRequest>,
    ) -> Result<Response<wire::Theater>, Status> {
        let caller = Caller::of(&request);
        let message = request.into_inner();
        let key = key(&caller, &message.request_id, "theaters.CreateTheater", &message)?;
        let new = read::new_theater(message.theater.ok_or_else(|| missing("theater"))?)?;
        Ok(Response::new(self.open_theater(&key, &new).await?))
    }

    async fn update_theater(
        &self,
        request: Request<wire::UpdateTheaterRequest>,
    ) -> Result<Response<wire::Theater>, Status> {
        let caller = Caller::of(&request);
        let message = request.into_inner();
        let key = optional_key(&caller, &message.request_id, "theaters.UpdateTheater", &message)?;
        let theater = message.theater.ok_or_else(|| missing("theater"))?;
        let id = fields::id("theater.id", &theater.id)?;
        let mask = Mask::parse(
            message.update_mask.as_ref(),
            &["display_name", "address", "time_zone", "currency_code", "refund_policy"],
        )?;
        let change = read::theater_change(theater, &mask)?;
        Ok(Response::new(self.change_theater(&caller, &key, id, &change).await?))
    }

    async fn delete_theater(
        &self,
        request: Request<wire::DeleteTheaterRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = Caller::of(&request);
        let message = request.into_inner();
        let key = optional_key(&caller, &message.request_id, "theaters.DeleteTheater", &message)?;
        let id = fields::id("id", &message.id)?;
        Ok(Response::new(self.close_theater(&key, id).await?))
    }

    async fn list_halls(
        &self,
        request: Request<wire::ListHallsRequest>,
    ) -> Result<Response<wire::ListHallsResponse>, Status> {
        let message = request.into_inner();
        let theater = fields::id("theater_id", &message.theater_id)?;
        let page = Page::parse(message.page_size, &message.page_token, "halls", &[&message.theater_id])?;
        let (halls, next_page_token) = self.halls(theater, &page).await?;
        let halls = halls.into_iter().map(Into::into).collect();
        Ok(Response::new(wire::ListHallsResponse { halls, next_page_token }))
    }

    async fn get_hall(&self, request: Request<wire::GetHallRequest>) -> Result<Response<wire::Hall>, Status> {
        let hall = self.hall(fields::id("id", &request.into_inner().id)?).await?;
        Ok(Response::new(hall.into()))
    }

    async fn create_hall(
        &self,
        request: Request<wire::CreateHallRequest>,
    ) -> Result<Response<wire::Hall>, Status> {
        let caller = Caller::of(&request);
        let message = request.into_inner();
        let key = key(&caller, &message.request_id, "theaters.CreateHall", &message)?;
        let theater = fields::id("theater_id", &message.theater_id)?;
        let new = read::new_hall(&message.hall.ok_or_else(|| missing("hall"))?)?;
        Ok(Response::new(self.open_hall(&caller, &key, theater, &new).await?))
    }

    async fn update_hall(
        &self,
        request: Request<wire::UpdateHallRequest>,
    ) -> Result<Response<wire::Hall>, Status> {
        let caller = Caller::of(&request);
        let message = request.into_inner();
        let key = optional_key(&caller, &message.request_id, "theaters.UpdateHall", &message)?;
        let hall = message.hall.ok_or_else(|| missing("hall"))?;
        let id = fields::id("hall.id", &hall.id)?;
        let mask = Mask::parse(
            message.update_mask.as_ref(),
            &["display_name", "cleaning_minutes", "allow_orphan_seats"],
        )?;
        let change = read::hall_change(hall, &mask)?;
        Ok(Response::new(self.change_hall(&caller, &key, id, &change).await?))
    }

    async fn delete_hall(&self, request: Request<wire::DeleteHallRequest>) -> Result<Response<()>, Status> {
        let caller = Caller::of(&request);
        let message = request.into_inner();
        let key = optional_key(&caller, &message.request_id, "theaters.DeleteHall", &message)?;
        let id = fields::id("id", &message.id)?;
        Ok(Response::new(self.close_hall(&caller, &key, id).await?))
    }

    async fn publish_layout(
        &self,
        request: Request<wire::PublishLayoutRequest>,
    ) -> Result<Response<wire::Layout>, Status> {
        let caller = Caller::of(&request);
        let message = request.into_inner();
        let key = key(&caller, &message.request_id, "theaters.PublishLayout", &message)?;
        let hall = fields::id("hall_id", &message.hall_id)?;
        let layout = read::layout(message.layout.ok_or_else(|| missing("layout"))?)?;
        Ok(Response::new(self.publish(&caller, &key, hall, &layout).await?))
    }

    async fn import_layout(
        &self,
        request: Request<wire::ImportLayoutRequest>,
    ) -> Result<Response<wire::Layout>, Status> {
        let caller = Caller::of(&request);
        let message = request.into_inner();
        let key = key(&caller, &message.request_id, "theaters.ImportLayout", &message)?;
        let hall = fields::id("hall_id", &message.hall_id)?;
        let layout = pretix::import(&message.seating_plan.ok_or_else(|| missing("seating_plan"))?)?;
        Ok(Response::new(self.publish(&caller, &key, hall, &layout).await?))
    }

    async fn get_layout(
        &self,
        request: Request<wire::GetLayoutRequest>,
    ) -> Result<Response<wire::Layout>, Status> {
        let message = request.into_inner();
        let layout = self.layout(fields::id("hall_id", &message.hall_id)?, version(message.version)?).await?;
        Ok(Response::new(wire::Layout::clone(&layout)))
    }

    async fn export_layout(
        &self,
        request: Request<wire::ExportLayoutRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        let message = request.into_inner();
        let layout = self.layout(fields::id("hall_id", &message.hall_id)?, version(message.version)?).await?;
        let plan = pretix::export(&from_wire("", wire::Layout::clone(&layout))?);
        Ok(Response::new(HttpBody {
            content_type: "application/json".to_owned(),
            data: plan.to_string().into_bytes().into(),
            extensions: Vec::new(),
        }))
    }
}
