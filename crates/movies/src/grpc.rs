//! The RPCs: parse, call, convert.

use moviebooking_auth::Caller;
use moviebooking_fields::{self as fields, Mask};
use moviebooking_proto::{
    Problem,
    movies::v1::{self as wire, movies_service_server::MoviesService},
};
use moviebooking_store::idempotency::Request as Key;
use tonic::{Request, Response, Status};

use crate::{
    Service, catalogue,
    movie::{self, Details},
    schedule, showtime,
};

const LONGEST_CANCEL_REASON: usize = 500;

#[tonic::async_trait]
impl MoviesService for Service {
    async fn list_movies(
        &self,
        request: Request<wire::ListMoviesRequest>,
    ) -> Result<Response<wire::ListMoviesResponse>, Status> {
        let request = request.into_inner();
        let filter = catalogue::Filter::read(&request)?;
        let (page, after) = catalogue::page(&request)?;
        let (movies, next_page_token) = self.find_movies(&filter, &page, after.as_ref()).await?;
        let movies = movies.into_iter().map(Into::into).collect();
        Ok(Response::new(wire::ListMoviesResponse { movies, next_page_token }))
    }

    async fn get_movie(
        &self,
        request: Request<wire::GetMovieRequest>,
    ) -> Result<Response<wire::Movie>, Status> {
        let id = fields::id("id", &request.into_inner().id)?;
        Ok(Response::new(self.movie(id).await?.into()))
    }

    async fn create_movie(
        &self,
        request: Request<wire::CreateMovieRequest>,
    ) -> Result<Response<wire::Movie>, Status> {
        let scope = Caller::of(&request).key_scope();
        let request = request.into_inner();
        let key = Key::required(&scope, &request.request_id, "movies.CreateMovie", &request)?;
        let details = Details::read(given("movie", request.movie.as_ref())?)?;
        Ok(Response::new(self.add_movie(details, &key).await?))
    }

    async fn update_movie(
        &self,
        request: Request<wire::UpdateMovieRequest>,
    ) -> Result<Response<wire::Movie>, Status> {
        let scope = Caller::of(&request).key_scope();
        let request = request.into_inner();
        let key = Key::optional(&scope, &request.request_id, "movies.UpdateMovie", &request)?;
        let wanted = given("movie", request.movie.as_ref())?;
        let id = fields::id("movie.id", &wanted.id)?;
        let mask = Mask::parse(request.update_mask.as_ref(), movie::CHANGEABLE)?;
        Ok(Response::new(self.change_movie(id, wanted, &mask, &key).await?))
    }

    async fn delete_movie(&self, request: Request<wire::DeleteMovieRequest>) -> Result<Response<()>, Status> {
        let scope = Caller::of(&request).key_scope();
        let request = request.into_inner();
        let key = Key::optional(&scope, &request.request_id, "movies.DeleteMovie", &request)?;
        let id = fields::id("id", &request.id)?;
        self.remove_movie(id, &key).await?;
        Ok(Response::new(()))
    }

    async fn list_showtimes(
        &self,
        request: Request<wire::ListShowtimesRequest>,
    ) -> Result<Response<wire::ListShowtimesResponse>, Status> {
        let request = request.into_inner();
        let filter = schedule::Filter::read(&request)?;
        let (page, after) = filter.page(&request)?;
        let (showtimes, next_page_token) = self.find_showtimes(&filter, &page, after.as_ref()).await?;
        let showtimes = showtimes.into_iter().map(Into::into).collect();
        Ok(Response::new(wire::ListShowtimesResponse { showtimes, next_page_token }))
    }

    async fn get_showtime(
        &self,
        request: Request<wire::GetShowtimeRequest>,
    ) -> Result<Response<wire::Showtime>, Status> {
        let id = fields::id("id", &request.into_inner().id)?;
        Ok(Response::new(self.showtime(id).await?.into()))
    }

    async fn create_showtime(
        &self,
        request: Request<wire::CreateShowtimeRequest>,
    ) -> Result<Response<wire::Showtime>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let key = Key::required(&caller.key_scope(), &request.request_id, "movies.CreateShowtime", &request)?;
        let wanted = given("showtime", request.showtime.as_ref())?;
        Ok(Response::new(self.schedule(&caller, wanted, &key).await?))
    }

    async fn update_showtime(
        &self,
        request: Request<wire::UpdateShowtimeRequest>,
    ) -> Result<Response<wire::Showtime>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let key = Key::optional(&caller.key_scope(), &request.request_id, "movies.UpdateShowtime", &request)?;
        let wanted = given("showtime", request.showtime.as_ref())?;
        let mask = Mask::parse(request.update_mask.as_ref(), showtime::CHANGEABLE)?;
        Ok(Response::new(self.change_showtime(&caller, wanted, &mask, &key).await?))
    }

    async fn cancel_showtime(
        &self,
        request: Request<wire::CancelShowtimeRequest>,
    ) -> Result<Response<wire::Showtime>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let key = Key::optional(&caller.key_scope(), &request.request_id, "movies.CancelShowtime", &request)?;
        let id = fields::id("id", &request.id)?;
        let reason = fields::long_text("reason", &request.reason, 0, LONGEST_CANCEL_REASON)?;
        Ok(Response::new(self.cancel(&caller, id, &reason, &key).await?))
    }
}

/// A message that a request must hold.
fn given<'a, T>(field: &str, message: Option<&'a T>) -> Result<&'a T, Problem> {
    message.ok_or_else(|| Problem::invalid(field, "must be given"))
}
