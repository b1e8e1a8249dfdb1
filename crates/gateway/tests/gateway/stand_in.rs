//! Stand-ins for the services, which are not the gateway's to know: they answer what a test tells them to and keep what
//! they were asked.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex},
};

use moviebooking_proto::{
    google::api::HttpBody,
    movies::v1::{movies_service_server::MoviesService, *},
    payments::v1::{ledger_service_server::LedgerService, payments_service_server::PaymentsService, *},
    reservations::v1::{
        reservations_internal_server::ReservationsInternal, reservations_service_server::ReservationsService,
        *,
    },
    theaters::v1::{theaters_service_server::TheatersService, *},
    tickets::v1::{tickets_service_server::TicketsService, *},
    users::v1::{users_service_server::UsersService, *},
};
use prost::Message;
use tokio::sync::{Notify, mpsc};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, metadata::MetadataMap};

/// The messages of a stream.
type Events = Pin<Box<dyn Stream<Item = Result<SeatsEvent, Status>> + Send>>;

/// What a service was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) rpc: &'static str,
    pub(crate) metadata: MetadataMap,
    message: Vec<u8>,
}

impl Asked {
    pub(crate) fn message<M: Message + Default>(&self) -> M {
        M::decode(self.message.as_slice()).unwrap()
    }
}

/// All six services.
#[derive(Default)]
pub(crate) struct StandIn {
    keys: Jwks,
    answers: Mutex<HashMap<&'static str, Result<Vec<u8>, Status>>>,
    asked: Mutex<Vec<Asked>>,
    events: Mutex<Option<mpsc::Receiver<Result<SeatsEvent, Status>>>>,
    /// RPCs that wait until this is notified.
    pub(crate) held: Mutex<HashMap<&'static str, Arc<Notify>>>,
}

impl StandIn {
    /// Services of which `users` has these keys.
    pub(crate) fn new(keys: Jwks) -> Self {
        Self { keys, ..Self::default() }
    }

    pub(crate) fn answers(&self, rpc: &'static str, answer: Result<impl Message, Status>) {
        self.answers.lock().unwrap().insert(rpc, answer.map(|message| message.encode_to_vec()));
    }

    pub(crate) fn refuses(&self, rpc: &'static str, status: impl Into<Status>) {
        self.answers(rpc, Err::<GetMeRequest, _>(status.into()));
    }

    /// What the stream of seats will say.
    pub(crate) fn streams(&self) -> mpsc::Sender<Result<SeatsEvent, Status>> {
        let (sender, receiver) = mpsc::channel(16);
        *self.events.lock().unwrap() = Some(receiver);
        sender
    }

    /// The last thing that a service was asked.
    pub(crate) fn asked(&self) -> Asked {
        self.asked.lock().unwrap().last().cloned().expect("a service was asked")
    }

    pub(crate) fn was_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    async fn answer<Q: Message, A: Message + Default>(
        &self,
        rpc: &'static str,
        request: Request<Q>,
    ) -> Result<Response<A>, Status> {
        let message = request.get_ref().encode_to_vec();
        self.asked.lock().unwrap().push(Asked { rpc, metadata: request.metadata().clone(), message });
        let held = self.held.lock().unwrap().get(rpc).cloned();
        if let Some(held) = held {
            held.notified().await;
        }
        let answer = self.answers.lock().unwrap().get(rpc).cloned();
        match answer {
            None => Ok(Response::new(A::default())),
            Some(answer) => Ok(Response::new(A::decode(answer?.as_slice()).unwrap())),
        }
    }
}

macro_rules! answers {
    ($service:ident { $($rpc:ident($question:ty) -> $answer:ty;)* } $($more:item)*) => {
        #[tonic::async_trait]
        impl $service for StandIn {
            $(async fn $rpc(&self, request: Request<$question>) -> Result<Response<$answer>, Status> {
                self.answer(stringify!($rpc), request).await
            })*
            $($more)*
        }
    };
}

answers! { UsersService {
    register(RegisterRequest) -> User;
    login(LoginRequest) -> Session;
    refresh(RefreshRequest) -> Session;
    logout(LogoutRequest) -> ();
    get_me(GetMeRequest) -> User;
    get_user(GetUserRequest) -> User;
    update_user(UpdateUserRequest) -> User;
    change_email(ChangeEmailRequest) -> User;
    change_password(ChangePasswordRequest) -> ();
    delete_user(DeleteUserRequest) -> ();
    list_users(ListUsersRequest) -> ListUsersResponse;
    set_roles(SetRolesRequest) -> User;
}
    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<Jwks>, Status> {
        Ok(Response::new(self.keys.clone()))
    }
}

answers! { MoviesService {
    list_movies(ListMoviesRequest) -> ListMoviesResponse;
    get_movie(GetMovieRequest) -> Movie;
    create_movie(CreateMovieRequest) -> Movie;
    update_movie(UpdateMovieRequest) -> Movie;
    delete_movie(DeleteMovieRequest) -> ();
    list_showtimes(ListShowtimesRequest) -> ListShowtimesResponse;
    get_showtime(GetShowtimeRequest) -> Showtime;
    create_showtime(CreateShowtimeRequest) -> Showtime;
    update_showtime(UpdateShowtimeRequest) -> Showtime;
    cancel_showtime(CancelShowtimeRequest) -> Showtime;
} }

answers! { TheatersService {
    list_theaters(ListTheatersRequest) -> ListTheatersResponse;
    get_theater(GetTheaterRequest) -> Theater;
    create_theater(CreateTheaterRequest) -> Theater;
    update_theater(UpdateTheaterRequest) -> Theater;
    delete_theater(DeleteTheaterRequest) -> ();
    list_halls(ListHallsRequest) -> ListHallsResponse;
    get_hall(GetHallRequest) -> Hall;
    create_hall(CreateHallRequest) -> Hall;
    update_hall(UpdateHallRequest) -> Hall;
    delete_hall(DeleteHallRequest) -> ();
    publish_layout(PublishLayoutRequest) -> Layout;
    import_layout(ImportLayoutRequest) -> Layout;
    get_layout(GetLayoutRequest) -> Layout;
    export_layout(ExportLayoutRequest) -> HttpBody;
} }

answers! { ReservationsService {
    get_seat_map(GetSeatMapRequest) -> SeatMap;
    create_reservation(CreateReservationRequest) -> Reservation;
    list_reservations(ListReservationsRequest) -> ListReservationsResponse;
    get_reservation(GetReservationRequest) -> Reservation;
    release_reservation(ReleaseReservationRequest) -> Reservation;
    extend_reservation(ExtendReservationRequest) -> Reservation;
}
    type WatchSeatsStream = Events;
    async fn watch_seats(&self, request: Request<WatchSeatsRequest>) -> Result<Response<Events>, Status> {
        self.answer::<_, SeatsEvent>("watch_seats", request).await?;
        let events = self.events.lock().unwrap().take().expect("the test says what is streamed");
        Ok(Response::new(Box::pin(ReceiverStream::new(events))))
    }
}

answers! { ReservationsInternal {
    confirm_reservation(ConfirmReservationRequest) -> Reservation;
    keep_reservation(KeepReservationRequest) -> Reservation;
    free_seats(FreeSeatsRequest) -> Reservation;
    offer_seats(OfferSeatsRequest) -> OfferSeatsResponse;
    close_showtime(CloseShowtimeRequest) -> ();
} }

answers! { PaymentsService {
    charge(ChargeRequest) -> Payment;
    list_payments(ListPaymentsRequest) -> ListPaymentsResponse;
    get_payment(GetPaymentRequest) -> Payment;
    cancel_payment(CancelPaymentRequest) -> Payment;
    refund(RefundRequest) -> Payment;
    resume_payment(ResumePaymentRequest) -> Payment;
    compensate_payment(CompensatePaymentRequest) -> Payment;
    receive_webhook(ReceiveWebhookRequest) -> WebhookReceipt;
    exchange(ExchangeRequest) -> Payment;
    get_showtime_refunds(GetShowtimeRefundsRequest) -> ShowtimeRefunds;
} }

answers! { LedgerService {
    get_ledger_balances(GetLedgerBalancesRequest) -> GetLedgerBalancesResponse;
    list_ledger_entries(ListLedgerEntriesRequest) -> ListLedgerEntriesResponse;
} }

answers! { TicketsService {
    list_tickets(ListTicketsRequest) -> ListTicketsResponse;
    get_ticket_keys(GetTicketKeysRequest) -> TicketKeys;
    get_ticket(GetTicketRequest) -> Ticket;
    get_ticket_qr(GetTicketQrRequest) -> HttpBody;
    get_ticket_pdf(GetTicketPdfRequest) -> HttpBody;
    check_in(CheckInRequest) -> Ticket;
    void_ticket(VoidTicketRequest) -> Ticket;
} }
