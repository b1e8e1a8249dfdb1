//! Reading reservations and seat maps.

use moviebooking_auth::Caller;
use moviebooking_domain::id::{ReservationId, ShowtimeId, UserId};
use moviebooking_fields::Page;
use moviebooking_proto::{Problem, Reason, reservations::v1 as wire};

use crate::{
    Service, convert,
    error::Error,
    reservation::Reservation,
    store::{self, Filter},
};

/// Which reservations are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListAsk {
    pub(crate) user: Option<UserId>,
    pub(crate) showtime: Option<ShowtimeId>,
    pub(crate) before: Option<ReservationId>,
}

impl Service {
    /// One reservation: for its buyer, staff of its theater, admins and services. To services a live hold may be what it was
    /// when this process last wrote or read it.
    ///
    /// # Errors
    /// [`Error::ReservationNotFound`], also for who may not see it.
    pub(crate) async fn get(&self, caller: &Caller, id: ReservationId) -> Result<wire::Reservation, Error> {
        let now = self.clock.now();
        if caller.is_service()
            && let Some(recent) = self.recent.look(id)
            && recent.is_active(now)
        {
            return Ok(convert::reservation(&recent, now));
        }
        let found = self.found(id).await?;
        if !caller.is(found.user) && !caller.runs(found.theater) && !caller.is_service() {
            return Err(Error::ReservationNotFound);
        }
        let answer = convert::reservation(&found, now);
        if caller.is_service() && self.at_once.is_some() {
            self.recent.keep(found);
        }
        Ok(answer)
    }

    /// The reservation as it is now.
    ///
    /// # Errors
    /// [`Error::ReservationNotFound`]
    pub(crate) async fn found(&self, id: ReservationId) -> Result<Reservation, Error> {
        let found = match &self.at_once {
            Some(at_once) => at_once.read(id).await?,
            None => store::reservation(&self.db, id).await?,
        };
        found.ok_or(Error::ReservationNotFound)
    }

    /// A page of reservations, newest first, and the token of the next one.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` when those of others are asked for by who may not see them.
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        ask: ListAsk,
        page: &Page,
    ) -> Result<(Vec<wire::Reservation>, String), Error> {
        let user = self.listed_user(caller, ask).await?;
        let filter = Filter { user, showtime: ask.showtime, before: ask.before, limit: page.limit() };
        let mut found = store::list(&self.db, filter).await?;
        let next = page.cut(&mut found, |reservation| vec![reservation.id.to_string()]);
        let now = self.clock.now();
        Ok((found.iter().map(|reservation| convert::reservation(reservation, now)).collect(), next))
    }

    /// Whose reservations the caller sees: everybody's when `None`.
    async fn listed_user(&self, caller: &Caller, ask: ListAsk) -> Result<Option<UserId>, Error> {
        let all = match ask.showtime {
            _ if caller.is_admin() || caller.is_service() => true,
            Some(showtime) if !caller.user()?.staff_of.is_empty() => {
                caller.runs(self.catalogue.showtime(showtime).await?.theater)
            }
            _ => false,
        };
        match ask.user {
            user if all => Ok(user),
            Some(user) if !caller.is(user) => Err(Problem::new(
                Reason::PermissionDenied,
                "Only staff of the showtime's theater and admins may list those of others.",
            )
            .into()),
            _ => Ok(Some(caller.user()?.id)),
        }
    }

    /// Every seat of a showtime as it is now.
    ///
    /// # Errors
    /// `SHOWTIME_NOT_FOUND`
    pub(crate) async fn seat_map(
        &self,
        caller: &Caller,
        showtime: ShowtimeId,
    ) -> Result<wire::SeatMap, Error> {
        let showtime = self.catalogue.showtime(showtime).await?;
        let hall = self.catalogue.hall(&showtime).await?;
        let board = store::board(&self.db, showtime.id, &hall).await?;
        Ok(convert::seat_map(&showtime, &board, self.clock.now(), viewer(caller)))
    }
}

/// Who looks at a seat map, if signed in.
pub(crate) fn viewer(caller: &Caller) -> Option<UserId> {
    caller.user().ok().map(|user| user.id)
}
