//! The RPCs: requests into domain values, and the way back.

use moviebooking_auth::{ACCESS_TOKEN_LIFETIME, Caller};
use moviebooking_domain::id::{TheaterId, UserId};
use moviebooking_fields::{self as fields, Mask, Page, time};
use moviebooking_proto::{
    Problem,
    users::v1::{self as wire, users_service_server::UsersService},
};
use moviebooking_store::idempotency;
use prost_types::FieldMask;
use tonic::{Request, Response, Status};

use crate::{
    Service,
    account::{Account, Roles},
    address::Address,
    email::Email,
    error::Error,
    password,
    profile::{ProfileChange, display_name},
    refresh_token::RefreshToken,
    register::{self, Registration},
    session::Session,
};

/// The theaters that one account may be staff of.
const MOST_THEATERS: usize = 100;
/// An etag is a number; what is longer is none.
const LONGEST_ETAG: usize = 20;

pub(crate) struct Grpc(Service);

impl Grpc {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }
}

/// Who calls, from where, and with what.
fn take<T>(request: Request<T>) -> (Caller, Option<Address>, T) {
    let (caller, address) = (Caller::of(&request), Address::of(request.metadata()));
    (caller, address, request.into_inner())
}

#[tonic::async_trait]
impl UsersService for Grpc {
    async fn register(
        &self,
        request: Request<wire::RegisterRequest>,
    ) -> Result<Response<wire::User>, Status> {
        let (_, address, mut message) = take(request);
        let email = Email::parse("email", &message.email)?;
        let display_name = display_name("display_name", &message.display_name)?;
        let password = password::presented("password", std::mem::take(&mut message.password))?;
        let scope = register::key_scope(&email);
        let key = idempotency::Request::required(&scope, &message.request_id, "users.Register", &message)?;
        let registration = Registration { email, display_name, password };
        Ok(Response::new(user(self.0.register(&key, registration, address).await?)))
    }

    async fn login(&self, request: Request<wire::LoginRequest>) -> Result<Response<wire::Session>, Status> {
        let (_, address, message) = take(request);
        let email = Email::parse("email", &message.email)?;
        let password = password::presented("password", message.password)?;
        Ok(Response::new(session(self.0.login(&email, password, address).await?)))
    }

    async fn refresh(
        &self,
        request: Request<wire::RefreshRequest>,
    ) -> Result<Response<wire::Session>, Status> {
        let token = refresh_token(&request.into_inner().refresh_token)?;
        Ok(Response::new(session(self.0.refresh(&token).await?)))
    }

    async fn logout(&self, request: Request<wire::LogoutRequest>) -> Result<Response<()>, Status> {
        match refresh_token(&request.into_inner().refresh_token) {
            Ok(token) => self.0.logout(&token).await?,
            // What cannot be a token is answered as one that is not known.
            Err(Error::InvalidRefreshToken) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Response::new(()))
    }

    async fn get_me(&self, request: Request<wire::GetMeRequest>) -> Result<Response<wire::User>, Status> {
        Ok(Response::new(user(self.0.me(&Caller::of(&request)).await?)))
    }

    async fn get_user(&self, request: Request<wire::GetUserRequest>) -> Result<Response<wire::User>, Status> {
        let (caller, _, message) = take(request);
        let id = fields::id("id", &message.id)?;
        Ok(Response::new(user(self.0.get_user(&caller, id).await?)))
    }

    async fn update_user(
        &self,
        request: Request<wire::UpdateUserRequest>,
    ) -> Result<Response<wire::User>, Status> {
        let (caller, address, message) = take(request);
        let scope = caller.key_scope();
        let key = idempotency::Request::optional(&scope, &message.request_id, "users.UpdateUser", &message)?;
        let new = message
            .user
            .ok_or_else(|| Problem::invalid("user", "give the account's id and what to change"))?;
        let mask = mask(message.update_mask, &new)?;
        let change = ProfileChange {
            id: fields::id("user.id", &new.id)?,
            display_name: match mask.has("display_name") {
                true => Some(display_name("user.display_name", &new.display_name)?),
                false => None,
            },
            email: match mask.has("email") {
                true => Some(Email::parse("user.email", &new.email)?),
                false => None,
            },
            etag: fields::text("user.etag", &new.etag, 0, LONGEST_ETAG)?,
            current_password: None,
        };
        Ok(Response::new(user(self.0.update_user(&caller, &key, change, address).await?)))
    }

    async fn change_email(
        &self,
        request: Request<wire::ChangeEmailRequest>,
    ) -> Result<Response<wire::User>, Status> {
        let (caller, address, mut message) = take(request);
        let current = password::presented("current_password", std::mem::take(&mut message.current_password))?;
        let scope = caller.key_scope();
        let key = idempotency::Request::optional(&scope, &message.request_id, "users.ChangeEmail", &message)?;
        let change = ProfileChange {
            id: caller.user()?.id,
            display_name: None,
            email: Some(Email::parse("email", &message.email)?),
            etag: String::new(),
            current_password: Some(current),
        };
        Ok(Response::new(user(self.0.update_user(&caller, &key, change, address).await?)))
    }

    async fn change_password(
        &self,
        request: Request<wire::ChangePasswordRequest>,
    ) -> Result<Response<()>, Status> {
        let (caller, address, mut message) = take(request);
        let current = password::presented("current_password", std::mem::take(&mut message.current_password))?;
        let new = password::presented("new_password", std::mem::take(&mut message.new_password))?;
        let scope = caller.key_scope();
        let key =
            idempotency::Request::optional(&scope, &message.request_id, "users.ChangePassword", &message)?;
        Ok(Response::new(self.0.change_password(&caller, &key, current, new, address).await?))
    }

    async fn delete_user(&self, request: Request<wire::DeleteUserRequest>) -> Result<Response<()>, Status> {
        let (caller, _, message) = take(request);
        let id = fields::id("id", &message.id)?;
        let scope = caller.key_scope();
        let key = idempotency::Request::optional(&scope, &message.request_id, "users.DeleteUser", &message)?;
        Ok(Response::new(self.0.delete_user(&caller, &key, id).await?))
    }

    async fn list_users(
        &self,
        request: Request<wire::ListUsersRequest>,
    ) -> Result<Response<wire::ListUsersResponse>, Status> {
        let (caller, _, message) = take(request);
        let email = match message.email.as_str() {
            "" => None,
            given => Some(Email::parse("email", given)?),
        };
        let filter = email.as_ref().map_or("", Email::folded);
        let page = Page::parse(message.page_size, &message.page_token, "users", &[filter])?;
        let after: Option<UserId> = match page.after.as_deref() {
            None => None,
            Some(key) => Some(fields::id("page_token", key.first().map_or("", String::as_str))?),
        };
        let mut accounts = self.0.list_users(&caller, email.as_ref(), after, page.limit()).await?;
        let next_page_token = page.cut(&mut accounts, |account| vec![account.id.to_string()]);
        let users = accounts.into_iter().map(user).collect();
        Ok(Response::new(wire::ListUsersResponse { users, next_page_token }))
    }

    async fn set_roles(
        &self,
        request: Request<wire::SetRolesRequest>,
    ) -> Result<Response<wire::User>, Status> {
        let (caller, _, message) = take(request);
        let id = fields::id("id", &message.id)?;
        let roles = roles(message.roles.as_ref())?;
        let scope = caller.key_scope();
        let key = idempotency::Request::optional(&scope, &message.request_id, "users.SetRoles", &message)?;
        Ok(Response::new(user(self.0.set_roles(&caller, &key, id, &roles).await?)))
    }

    async fn get_jwks(&self, _: Request<wire::GetJwksRequest>) -> Result<Response<wire::Jwks>, Status> {
        let keys = self.0.keyring.keys().await?;
        Ok(Response::new(wire::Jwks { keys: keys.public() }))
    }
}

fn refresh_token(text: &str) -> Result<RefreshToken, Error> {
    if text.is_empty() {
        return Err(Problem::invalid("refresh_token", "give the refresh token").into());
    }
    RefreshToken::parse(text)
}

/// Which fields an update changes. Without a mask those that are not empty (AIP-134).
fn mask(given: Option<FieldMask>, new: &wire::User) -> Result<Mask, Problem> {
    let named = given.filter(|mask| !mask.paths.is_empty());
    let mask = named.unwrap_or_else(|| {
        let filled = [("display_name", &new.display_name), ("email", &new.email)].into_iter();
        FieldMask {
            paths: filled.filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.to_owned()).collect(),
        }
    });
    if mask.paths.is_empty() {
        return Err(Problem::invalid("update_mask", "name what to change: display_name, email"));
    }
    Mask::parse(Some(&mask), &["display_name", "email"])
}

fn roles(given: Option<&wire::Roles>) -> Result<Roles, Problem> {
    let given =
        given.ok_or_else(|| Problem::invalid("roles", "give the roles that the account shall have"))?;
    fields::at_most("roles.staff_of_theaters", &given.staff_of_theaters, MOST_THEATERS)?;
    let theaters = given.staff_of_theaters.iter().enumerate();
    let theaters =
        theaters.map(|(i, id)| fields::id::<TheaterId>(&format!("roles.staff_of_theaters[{i}]"), id));
    Ok(Roles::new(given.admin, theaters.collect::<Result<_, _>>()?))
}

fn user(account: Account) -> wire::User {
    let staff_of_theaters = account.roles.staff_of().iter().map(TheaterId::to_string).collect();
    wire::User {
        id: account.id.to_string(),
        email: account.email.unwrap_or_default(),
        display_name: account.display_name.unwrap_or_default(),
        roles: Some(wire::Roles { admin: account.roles.admin, staff_of_theaters }),
        create_time: Some(time::to_wire(account.created_at)),
        update_time: Some(time::to_wire(account.updated_at)),
        etag: fields::to_etag(account.version),
    }
}

fn session(session: Session) -> wire::Session {
    wire::Session {
        access_token: session.access_token,
        token_type: "Bearer".to_owned(),
        expires_in: i32::try_from(ACCESS_TOKEN_LIFETIME.as_secs()).unwrap_or(i32::MAX),
        refresh_token: session.refresh_token.reveal(),
        refresh_expire_time: Some(time::to_wire(session.refresh_expire_time)),
        user: Some(user(session.account)),
    }
}
