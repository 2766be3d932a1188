//! SUBSCRIBE and UNSUBSCRIBE.

use super::ClientConnection;
use crate::connection::RequestError;
use crate::packet::{Packet, Subscribe, Subscription, Unsubscribe};
use crate::property::Properties;
use crate::reason::ReasonCode;
use crate::session::{Entry, RequestHandle, State};
use crate::types::PacketId;

impl ClientConnection {
    /// Asks for subscriptions; [`Subscribed`](crate::ClientEvent::Subscribed) brings the answer, or
    /// [`Unanswered`](crate::ClientEvent::Unanswered) says that none came.
    ///
    /// # Errors
    ///
    /// There is no filter or one is not valid, the version or the server does not have what is asked
    /// for, there is no room ([`Backlog`](RequestError::Backlog): transmit, then ask again), or CONNACK
    /// has not come or the connection is closed. Nothing was sent.
    pub fn subscribe(
        &mut self,
        subscriptions: &[Subscription<'_>],
        properties: Properties<'_>,
    ) -> Result<RequestHandle, RequestError> {
        let features = &self.core.peer.features;
        if !features.subscription_identifier && properties.subscription_identifier().is_some() {
            return Err(RequestError::NotSupported(
                ReasonCode::SubscriptionIdentifiersNotSupported,
            ));
        }
        for subscription in subscriptions {
            if let Some(reason) = features.refuses(subscription.filter, self.core.version) {
                return Err(RequestError::NotSupported(reason));
            }
        }
        self.request(State::Subscribe(subscriptions.len()), |packet_id| {
            Packet::from(Subscribe {
                packet_id,
                subscriptions: subscriptions.into(),
                properties,
            })
        })
    }

    /// Asks to end subscriptions; [`Unsubscribed`](crate::ClientEvent::Unsubscribed) brings the answer, or
    /// [`Unanswered`](crate::ClientEvent::Unanswered) says that none came.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    pub fn unsubscribe(
        &mut self,
        filters: &[&str],
        properties: Properties<'_>,
    ) -> Result<RequestHandle, RequestError> {
        self.request(State::Unsubscribe(filters.len()), |packet_id| {
            Packet::from(Unsubscribe {
                packet_id,
                filters: filters.into(),
                properties,
            })
        })
    }

    fn request<'p>(
        &mut self,
        state: State,
        packet: impl FnOnce(PacketId) -> Packet<'p>,
    ) -> Result<RequestHandle, RequestError> {
        let core = &mut self.core;
        core.require_connected()?;
        core.require_room()?;
        let id = core
            .session
            .in_flight
            .vacant()
            .ok_or(RequestError::NoPacketId)?;
        core.push_whole(packet(id))?;
        let handle = core.session.next_handle();
        core.session.in_flight.insert(Entry {
            id,
            counted: false,
            reported: false,
            handle,
            state,
        });
        Ok(RequestHandle(handle))
    }
}
