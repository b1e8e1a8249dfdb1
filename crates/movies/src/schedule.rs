//! Use cases of showtimes.

use jiff::{Timestamp, civil::Date};
use moviebooking_auth::Caller;
use moviebooking_domain::id::{HallId, MovieId, ShowtimeId, TheaterId};
use moviebooking_events::outbox;
use moviebooking_fields::{self as fields, Mask, Page, time};
use moviebooking_proto::{Problem, movies::v1 as wire};
use moviebooking_store::idempotency::Request;

use crate::{
    Error, Service,
    catalogue::foreign_token,
    neighbours::{Hall, malformed},
    showtime::{LocalStart, Offer, Showtime, Slot},
    store::{
        movies,
        showtimes::{self, After},
    },
};

/// Which showtimes a list shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) movie: Option<MovieId>,
    pub(crate) theater: Option<TheaterId>,
    pub(crate) hall: Option<HallId>,
    /// Where the theater is.
    pub(crate) local_date: Option<Date>,
    pub(crate) start_from: Option<Timestamp>,
    /// Also the cancelled ones.
    pub(crate) cancelled: bool,
}

impl Filter {
    pub(crate) fn read(request: &wire::ListShowtimesRequest) -> Result<Self, Problem> {
        Ok(Self {
            movie: fields::optional_id("movie_id", &request.movie_id)?,
            theater: fields::optional_id("theater_id", &request.theater_id)?,
            hall: fields::optional_id("hall_id", &request.hall_id)?,
            local_date: fields::optional_date("local_date", &request.local_date)?,
            start_from: time::optional("start_time_from", request.start_time_from.as_ref())?,
            cancelled: request.show_cancelled,
        })
    }

    /// The page that a request asks for; its token belongs to the request's filters.
    pub(crate) fn page(
        &self,
        request: &wire::ListShowtimesRequest,
    ) -> Result<(Page, Option<After>), Problem> {
        let start_from = self.start_from.map(|time| time.to_string()).unwrap_or_default();
        let page = Page::parse(
            request.page_size,
            &request.page_token,
            "showtimes",
            &[
                &request.movie_id,
                &request.theater_id,
                &request.hall_id,
                &request.local_date,
                &start_from,
                if self.cancelled { "cancelled" } else { "" },
            ],
        )?;
        let after = match page.after.as_deref() {
            None => None,
            Some([start, id]) => Some(After {
                start: start.parse().map_err(|_| foreign_token())?,
                id: fields::id("page_token", id).map_err(|_| foreign_token())?,
            }),
            Some(_) => return Err(foreign_token()),
        };
        Ok((page, after))
    }
}

impl Service {
    pub(crate) async fn find_showtimes(
        &self,
        filter: &Filter,
        page: &Page,
        after: Option<&After>,
    ) -> Result<(Vec<Showtime>, String), Error> {
        let mut found = showtimes::list(&self.db, filter, after, page.limit()).await?;
        let next =
            page.cut(&mut found, |showtime| vec![showtime.slot.start.to_string(), showtime.id.to_string()]);
        Ok((found, next))
    }

    pub(crate) async fn showtime(&self, id: ShowtimeId) -> Result<Showtime, Error> {
        showtimes::get(&self.db, id).await?.ok_or(Error::ShowtimeNotFound)
    }

    /// Schedules a movie in a hall.
    pub(crate) async fn schedule(
        &self,
        caller: &Caller,
        wanted: &wire::Showtime,
        key: &Request,
    ) -> Result<wire::Showtime, Error> {
        // A repeated request gets its answer although the start may be in the past or the hall closed by now.
        if let Some(answer) = key.lookup(&self.db).await? {
            return Ok(answer);
        }
        let movie_id = fields::id("showtime.movie_id", &wanted.movie_id)?;
        let hall_id = fields::id("showtime.hall_id", &wanted.hall_id)?;
        let start = time::required("showtime.start_time", wanted.start_time.as_ref())?;
        let now = self.clock.now();
        if start <= now {
            return Err(Problem::invalid("showtime.start_time", "must lie in the future").into());
        }

        // Asked before the transaction begins, so that no lock waits for another service.
        let hall = self.neighbours.hall(hall_id).await?;
        caller.must_run(hall.place.theater_id)?;
        let offer = offer(wanted, &hall)?;
        let local_start = LocalStart::new(start, &hall.place.time_zone).map_err(malformed)?;

        let mut tx = self.db.begin().await?;
        if let Some(answer) = key.begin(&mut tx, now).await? {
            return Ok(answer);
        }
        movies::lock(&mut tx, movie_id).await?;
        let movie = movies::get(&mut tx, movie_id)
            .await?
            .ok_or(Error::MovieNotFound { field: "showtime.movie_id" })?;
        let running_time = movie.details.running_time_minutes.ok_or(Error::NoRunningTime)?;
        let slot = Slot::new(start, running_time, hall.cleaning)
            .ok_or_else(|| Problem::invalid("showtime.start_time", "use an earlier time"))?;
        offer.check_sales(&slot)?;
        showtimes::lock_hall(&mut tx, hall_id).await?;
        if let Some((by, taken)) = showtimes::overlapping(&mut tx, hall_id, &slot).await? {
            return Err(Error::Overlap { by, from: taken.start, to: taken.hall_free });
        }
        let showtime = Showtime {
            id: ShowtimeId::new(now),
            movie_id,
            movie_title: movie.details.title,
            place: hall.place,
            slot,
            local_start,
            offer,
            cancelled_at: None,
            close_acknowledged: false,
            create_time: now,
            update_time: now,
            version: 1,
        };
        showtimes::add(&mut tx, &showtime).await?;
        let told = wire::ShowtimeScheduled {
            showtime_id: showtime.id.to_string(),
            movie_id: movie_id.to_string(),
            theater_id: showtime.place.theater_id.to_string(),
            hall_id: hall_id.to_string(),
            start_time: Some(time::to_wire(start)),
        };
        outbox::append(&mut tx, now, showtime.id, &told).await?;
        let answer = showtime.into();
        key.finish(&mut tx, &answer).await?;
        tx.commit().await?;
        Ok(answer)
    }

    pub(crate) async fn change_showtime(
        &self,
        caller: &Caller,
        wanted: &wire::Showtime,
        mask: &Mask,
        key: &Request,
    ) -> Result<wire::Showtime, Error> {
        let id = fields::id("showtime.id", &wanted.id)?;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if let Some(answer) = key.begin(&mut tx, now).await? {
            return Ok(answer);
        }
        showtimes::lock(&mut tx, id).await?;
        let mut showtime = showtimes::get(&mut tx, id).await?.ok_or(Error::ShowtimeNotFound)?;
        caller.must_run(showtime.place.theater_id)?;
        fields::etag(&wanted.etag, showtime.version)?;
        if showtime.cancelled_at.is_some() {
            return Err(Error::ShowtimeCancelled);
        }
        // The showtime has a price for each category of the layout that is frozen into it.
        let categories: Vec<String> =
            showtime.offer.prices.iter().map(|price| price.category.clone()).collect();
        showtime.offer.change(wanted, mask, &categories, showtime.place.currency)?;
        showtime.offer.check_sales(&showtime.slot)?;
        showtime.update_time = now;
        showtime.version += 1;
        showtimes::change(&mut tx, &showtime).await?;
        let told = wire::ShowtimeUpdated {
            showtime_id: id.to_string(),
            movie_id: showtime.movie_id.to_string(),
            theater_id: showtime.place.theater_id.to_string(),
        };
        outbox::append(&mut tx, now, id, &told).await?;
        let answer = showtime.into();
        key.finish(&mut tx, &answer).await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// Cancels a showtime and tells reservations and payments. When these cannot be told the cancellation stands, and the caller
    /// hears that it is not complete; the same request again, or the background work, completes it.
    pub(crate) async fn cancel(
        &self,
        caller: &Caller,
        id: ShowtimeId,
        reason: &str,
        key: &Request,
    ) -> Result<wire::Showtime, Error> {
        if let Some(answer) = key.lookup(&self.db).await? {
            return Ok(answer);
        }
        let showtime = self.mark_cancelled(caller, id, reason).await?;
        if !showtime.close_acknowledged {
            self.neighbours.close_showtime(id, showtime.place.theater_id).await.map_err(Error::NotClosed)?;
        }
        let mut tx = self.db.begin().await?;
        if let Some(answer) = key.begin(&mut tx, self.clock.now()).await? {
            return Ok(answer);
        }
        showtimes::acknowledge_close(&mut tx, id).await?;
        let answer = showtime.into();
        key.finish(&mut tx, &answer).await?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn mark_cancelled(&self, caller: &Caller, id: ShowtimeId, reason: &str) -> Result<Showtime, Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        showtimes::lock(&mut tx, id).await?;
        let mut showtime = showtimes::get(&mut tx, id).await?.ok_or(Error::ShowtimeNotFound)?;
        caller.must_run(showtime.place.theater_id)?;
        if showtime.cancelled_at.is_some() {
            return Ok(showtime);
        }
        if showtime.slot.end <= now {
            return Err(Error::ShowtimeOver);
        }
        showtime.cancelled_at = Some(now);
        showtime.update_time = now;
        showtime.version += 1;
        showtimes::cancel(&mut tx, &showtime, reason).await?;
        let told = wire::ShowtimeCancelled {
            showtime_id: id.to_string(),
            movie_id: showtime.movie_id.to_string(),
            theater_id: showtime.place.theater_id.to_string(),
        };
        outbox::append(&mut tx, now, id, &told).await?;
        tx.commit().await?;
        Ok(showtime)
    }
}

/// The offer that a request makes for a hall that can be used.
fn offer(wanted: &wire::Showtime, hall: &Hall) -> Result<Offer, Error> {
    if hall.closed {
        return Err(Error::HallClosed);
    }
    if hall.categories.is_empty() {
        return Err(Error::NoLayout);
    }
    Ok(Offer::read(wanted, &hall.categories, hall.place.currency)?)
}
