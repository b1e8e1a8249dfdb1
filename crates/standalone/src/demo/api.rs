//! The services' interface as an admin uses it.

use moviebooking_proto::{
    movies::v1::movies_service_client::MoviesServiceClient,
    theaters::v1::theaters_service_client::TheatersServiceClient,
    users::v1::{ListUsersRequest, LoginRequest, users_service_client::UsersServiceClient},
};
use moviebooking_serve::Link;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
};

/// Adds the admin's access token to every call.
#[derive(Clone)]
pub(super) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type SignedIn = InterceptedService<Link, Bearer>;

/// Clients that are signed in.
pub(super) struct Api {
    pub(super) users: UsersServiceClient<SignedIn>,
    pub(super) movies: MoviesServiceClient<SignedIn>,
    pub(super) theaters: TheatersServiceClient<SignedIn>,
}

impl Api {
    /// Signs in at the gateway.
    pub(super) async fn sign_in(gateway: &Link, email: &str, password: &str) -> Result<Self, Status> {
        let request = LoginRequest { email: email.to_owned(), password: password.to_owned() };
        let session = UsersServiceClient::new(gateway.clone()).login(request).await?.into_inner();
        let header = format!("Bearer {}", session.access_token)
            .parse()
            .map_err(|_| Status::internal("the access token is no header value"))?;
        let bearer = Bearer(header);
        Ok(Self {
            users: UsersServiceClient::with_interceptor(gateway.clone(), bearer.clone()),
            movies: MoviesServiceClient::with_interceptor(gateway.clone(), bearer.clone()),
            theaters: TheatersServiceClient::with_interceptor(gateway.clone(), bearer),
        })
    }

    /// The id of the account with this e-mail.
    pub(super) async fn user_id(&mut self, email: &str) -> Result<String, Status> {
        let request = ListUsersRequest { email: email.to_owned(), ..ListUsersRequest::default() };
        let found = self.users.list_users(request).await?.into_inner().users;
        found
            .into_iter()
            .next()
            .map(|user| user.id)
            .ok_or_else(|| Status::not_found("the demo account is gone"))
    }
}
