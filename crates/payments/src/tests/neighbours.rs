//! Reservations and tickets as their protos describe them, in memory, behind the generated server traits; and the ways
//! in which a call can fail.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use moviebooking_domain::{
    clock::{Clock as _, ManualClock},
    id::{ReservationId, ShowtimeId, TicketId},
};
use moviebooking_proto::{
    Problem, Reason,
    reservations::v1::{
        self as reservations, ConfirmReservationRequest, FreeSeatsRequest, KeepReservationRequest,
        Reservation, ReservationState, SeatsEvent, reservations_internal_server::ReservationsInternal,
        reservations_service_server::ReservationsService,
    },
    theaters::v1::RefundPolicy,
    tickets::v1::{
        IssueTicketsRequest, IssueTicketsResponse, Ticket, TicketState, VoidTicketsRequest,
        VoidTicketsResponse, tickets_internal_server::TicketsInternal,
    },
};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

/// When the showtime starts of a ticket that is issued now: in three hours.
pub(super) fn start(now: jiff::Timestamp) -> jiff::Timestamp {
    now + jiff::SignedDuration::from_hours(3)
}

/// How one call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It does not arrive.
    Down,
    /// It has its effect, and its answer does not arrive.
    ReplyLost,
    /// It is refused for good.
    Refused(Reason),
    /// It waits until the gate is opened.
    Gate,
    /// It has its effect, and its answer waits until the gate is opened.
    Late,
}

/// The faults of the calls to come, by what is called.
#[derive(Debug)]
pub(super) struct Faults {
    waiting: Mutex<HashMap<&'static str, VecDeque<Fault>>>,
    pub(super) calls: Mutex<HashMap<&'static str, usize>>,
    pub(super) gate: Semaphore,
    /// How many answers have waited at the gate.
    pub(super) late: AtomicUsize,
    /// The smallest amount that the bank moves.
    pub(super) unit: AtomicI64,
}

impl Faults {
    pub(super) fn none() -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            calls: Mutex::default(),
            gate: Semaphore::new(0),
            late: AtomicUsize::default(),
            unit: AtomicI64::new(1),
        })
    }

    /// The next `times` calls of `call` fail.
    pub(super) fn next(&self, call: &'static str, fault: Fault, times: usize) {
        let mut waiting = self.waiting.lock().unwrap();
        waiting.entry(call).or_default().extend(std::iter::repeat_n(fault, times));
    }

    /// Forgets the faults that no call has met.
    pub(super) fn clear(&self) {
        self.waiting.lock().unwrap().clear();
    }

    pub(super) fn count(&self, call: &'static str) -> usize {
        self.calls.lock().unwrap().get(call).copied().unwrap_or_default()
    }

    /// What becomes of a call that is made now.
    pub(super) async fn take(&self, call: &'static str) -> Option<Fault> {
        *self.calls.lock().unwrap().entry(call).or_default() += 1;
        let fault = self.waiting.lock().unwrap().get_mut(call).and_then(VecDeque::pop_front);
        if fault == Some(Fault::Gate) {
            self.gate.acquire().await.unwrap().forget();
            return None;
        }
        fault
    }

    /// Keeps an answer back until the gate is opened.
    pub(super) async fn hold<T>(&self, answer: T) -> T {
        self.late.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        answer
    }
}

/// Runs a handler under the faults of its call.
async fn answer<T>(
    faults: &Faults,
    call: &'static str,
    effect: impl FnOnce() -> Result<T, Status>,
) -> Result<Response<T>, Status> {
    let down = || Status::unavailable("the connection was lost");
    match faults.take(call).await {
        Some(Fault::Down) => Err(down()),
        Some(Fault::Refused(reason)) => Err(Problem::new(reason, "refused by the test").into()),
        Some(Fault::ReplyLost) => effect().and_then(|_lost| Err(down())),
        Some(Fault::Late) => faults.hold(effect().map(Response::new)).await,
        _ => effect().map(Response::new),
    }
}

fn refused<T>(reason: Reason) -> Result<T, Status> {
    Err(Problem::new(reason, "refused").into())
}

/// Reservations by id.
#[derive(Clone)]
pub(super) struct Reservations {
    /// Those whose seats another buyer took after they had expired.
    pub(super) gone: Arc<Mutex<HashSet<String>>>,
    pub(super) held: Arc<Mutex<HashMap<String, Reservation>>>,
    pub(super) faults: Arc<Faults>,
    pub(super) clock: Arc<ManualClock>,
}

impl Reservations {
    /// A reservation as it is now, expired if its time is over.
    fn now(&self, id: &str) -> Result<Reservation, Status> {
        let mut held = self.held.lock().unwrap();
        let Some(reservation) = held.get_mut(id) else { return refused(Reason::ReservationNotFound) };
        let expires = reservation.expire_time.map_or(i64::MAX, |time| time.seconds);
        if reservation.state() == ReservationState::Active && self.clock.now().as_second() >= expires {
            reservation.set_state(ReservationState::Expired);
        }
        Ok(reservation.clone())
    }
}

#[tonic::async_trait]
impl ReservationsService for Reservations {
    type WatchSeatsStream = tokio_stream::Empty<Result<SeatsEvent, Status>>;

    async fn get_reservation(
        &self,
        request: Request<reservations::GetReservationRequest>,
    ) -> Result<Response<Reservation>, Status> {
        answer(&self.faults, "get", || self.now(&request.get_ref().id)).await
    }

    async fn get_seat_map(
        &self,
        _: Request<reservations::GetSeatMapRequest>,
    ) -> Result<Response<reservations::SeatMap>, Status> {
        Err(Status::unimplemented("not asked by payments"))
    }

    async fn watch_seats(
        &self,
        _: Request<reservations::WatchSeatsRequest>,
    ) -> Result<Response<Self::WatchSeatsStream>, Status> {
        Err(Status::unimplemented("not asked by payments"))
    }

    async fn create_reservation(
        &self,
        _: Request<reservations::CreateReservationRequest>,
    ) -> Result<Response<Reservation>, Status> {
        Err(Status::unimplemented("not asked by payments"))
    }

    async fn list_reservations(
        &self,
        _: Request<reservations::ListReservationsRequest>,
    ) -> Result<Response<reservations::ListReservationsResponse>, Status> {
        Err(Status::unimplemented("not asked by payments"))
    }

    async fn release_reservation(
        &self,
        _: Request<reservations::ReleaseReservationRequest>,
    ) -> Result<Response<Reservation>, Status> {
        Err(Status::unimplemented("not asked by payments"))
    }

    async fn extend_reservation(
        &self,
        _: Request<reservations::ExtendReservationRequest>,
    ) -> Result<Response<Reservation>, Status> {
        Err(Status::unimplemented("not asked by payments"))
    }
}

#[tonic::async_trait]
impl ReservationsInternal for Reservations {
    async fn confirm_reservation(
        &self,
        request: Request<ConfirmReservationRequest>,
    ) -> Result<Response<Reservation>, Status> {
        let message = request.get_ref();
        answer(&self.faults, "confirm", || {
            let mut reservation = self.now(&message.reservation_id)?;
            match reservation.state() {
                ReservationState::Active => {}
                _ if reservation.payment_id == message.payment_id => return Ok(reservation),
                ReservationState::Confirmed => return refused(Reason::AlreadyPaid),
                ReservationState::Released => return refused(Reason::HoldReleased),
                _ if self.gone.lock().unwrap().contains(&reservation.id) => {
                    return refused(Reason::HoldExpired);
                }
                _ => {}
            }
            reservation.set_state(ReservationState::Confirmed);
            reservation.payment_id.clone_from(&message.payment_id);
            self.held.lock().unwrap().insert(reservation.id.clone(), reservation.clone());
            Ok(reservation)
        })
        .await
    }

    async fn offer_seats(
        &self,
        request: Request<reservations::OfferSeatsRequest>,
    ) -> Result<Response<reservations::OfferSeatsResponse>, Status> {
        let message = request.get_ref();
        answer(&self.faults, "offer", || {
            let lost = self.now(&message.reservation_id)?;
            let mut held = self.held.lock().unwrap();
            if !held.values().any(|offer| offer.offered_for == message.payment_id) {
                for days in [0, 1] {
                    let expires = self.clock.now() + jiff::SignedDuration::from_mins(5);
                    let mut offer = Reservation {
                        id: ReservationId::new(self.clock.now()).to_string(),
                        showtime_id: ShowtimeId::from(uuid::Uuid::from_u128(9 + days)).to_string(),
                        expire_time: Some(moviebooking_fields::time::to_wire(expires)),
                        offered_for: message.payment_id.clone(),
                        ..lost.clone()
                    };
                    offer.set_state(ReservationState::Active);
                    held.insert(offer.id.clone(), offer);
                }
            }
            let offers = held.values().filter(|offer| offer.offered_for == message.payment_id);
            let mut offers: Vec<Reservation> = offers.cloned().collect();
            offers.sort_by(|one, other| one.showtime_id.cmp(&other.showtime_id));
            Ok(reservations::OfferSeatsResponse { offers })
        })
        .await
    }

    async fn keep_reservation(
        &self,
        request: Request<KeepReservationRequest>,
    ) -> Result<Response<Reservation>, Status> {
        let message = request.get_ref();
        answer(&self.faults, "keep", || {
            let mut reservation = self.now(&message.reservation_id)?;
            if reservation.state() != ReservationState::Active {
                return refused(Reason::HoldExpired);
            }
            let cap = reservation.create_time.unwrap().seconds + 30 * 60;
            reservation.expire_time.as_mut().unwrap().seconds =
                cap.min(self.clock.now().as_second() + 10 * 60);
            self.held.lock().unwrap().insert(reservation.id.clone(), reservation.clone());
            Ok(reservation)
        })
        .await
    }

    async fn free_seats(&self, request: Request<FreeSeatsRequest>) -> Result<Response<Reservation>, Status> {
        let message = request.get_ref();
        answer(&self.faults, "free", || {
            let mut reservation = self.now(&message.reservation_id)?;
            if reservation.payment_id != message.payment_id {
                return refused(Reason::FailedPrecondition);
            }
            for seat in &mut reservation.seats {
                seat.freed |= message.seats.is_empty() || message.seats.contains(&seat.label);
            }
            if reservation.seats.iter().all(|seat| seat.freed) {
                reservation.set_state(ReservationState::Released);
            }
            self.held.lock().unwrap().insert(reservation.id.clone(), reservation.clone());
            Ok(reservation)
        })
        .await
    }

    async fn close_showtime(
        &self,
        _: Request<reservations::CloseShowtimeRequest>,
    ) -> Result<Response<()>, Status> {
        Err(Status::unimplemented("not asked by payments"))
    }
}

/// Tickets of all payments.
#[derive(Clone)]
pub(super) struct Tickets {
    /// Of the theater, when tickets are issued from now on.
    pub(super) policy: Arc<Mutex<Option<RefundPolicy>>>,
    pub(super) issued: Arc<Mutex<Vec<Ticket>>>,
    pub(super) faults: Arc<Faults>,
    pub(super) clock: Arc<ManualClock>,
}

#[tonic::async_trait]
impl TicketsInternal for Tickets {
    async fn issue_tickets(
        &self,
        request: Request<IssueTicketsRequest>,
    ) -> Result<Response<IssueTicketsResponse>, Status> {
        let message = request.get_ref();
        answer(&self.faults, "issue", || {
            let mut issued = self.issued.lock().unwrap();
            if !issued.iter().any(|ticket| ticket.payment_id == message.payment_id) {
                issued.extend(message.seats.iter().map(|seat| Ticket {
                    id: TicketId::new(self.clock.now()).to_string(),
                    payment_id: message.payment_id.clone(),
                    seat: seat.label.clone(),
                    state: TicketState::Valid.into(),
                    price: seat.price.clone(),
                    start_time: Some(moviebooking_fields::time::to_wire(start(self.clock.now()))),
                    refund_policy: *self.policy.lock().unwrap(),
                    ..Ticket::default()
                }));
            }
            let tickets = issued.iter().filter(|ticket| ticket.payment_id == message.payment_id);
            Ok(IssueTicketsResponse { tickets: tickets.cloned().collect() })
        })
        .await
    }

    async fn void_tickets(
        &self,
        request: Request<VoidTicketsRequest>,
    ) -> Result<Response<VoidTicketsResponse>, Status> {
        let message = request.get_ref();
        answer(&self.faults, "void_tickets", || {
            let mut issued = self.issued.lock().unwrap();
            let mut named: Vec<&mut Ticket> = issued
                .iter_mut()
                .filter(|ticket| ticket.payment_id == message.payment_id)
                .filter(|ticket| message.ticket_ids.is_empty() || message.ticket_ids.contains(&ticket.id))
                .collect();
            let used = |ticket: &&mut Ticket| ticket.state() == TicketState::CheckedIn;
            if named.iter().any(used) && !message.leave_checked_in {
                return refused(Reason::TicketAlreadyCheckedIn);
            }
            named
                .iter_mut()
                .filter(|ticket| !used(ticket))
                .for_each(|ticket| ticket.set_state(TicketState::Void));
            Ok(VoidTicketsResponse { tickets: named.into_iter().map(|ticket| ticket.clone()).collect() })
        })
        .await
    }
}
