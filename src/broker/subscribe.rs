//! SUBSCRIBE and UNSUBSCRIBE.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::connections::AskedKind;
use super::{
    AnswerError, AnswerErrorReason, Broker, BrokerEvent, BrokerRecord, Client, QuestionToken,
};
use crate::connection::RequestToken;
use crate::index::{IndexError, Subscriber, SubscriberId};
use crate::packet::{Subscribe, SubscriptionOptions, Unsubscribe};
use crate::property::Properties;
use crate::reason::ReasonCode;
use crate::time::Instant;
use crate::topic::TopicFilter;
use crate::types::{PacketType, QoS, Role, Version};

impl Broker {
    /// True: that is to be asked about.
    pub(super) fn on_subscribe(
        &mut self,
        slot: u32,
        now: Instant,
        subscribe: &Subscribe<'_>,
        token: RequestToken,
    ) -> bool {
        let subscriptions = subscribe.subscriptions.iter();
        let identifier = subscribe.properties.subscription_identifier();
        if self.options.ask_subscribe {
            let filters = subscriptions
                .map(|one| (one.filter.into(), one.options))
                .collect();
            let kind = AskedKind::Subscribe {
                token,
                filters,
                identifier,
            };
            self.ask(slot, now, kind);
            return true;
        }
        let codes = subscriptions
            .map(|one| self.subscribe(slot, one.filter, one.options, identifier))
            .collect();
        self.suback(slot, now, token, codes);
        false
    }

    /// Answers [`Question::Subscribe`](crate::Question::Subscribe) with one reason code for each filter, in their order: the
    /// highest QoS that may be granted, of which the client gets what it asked for or less, or a failure.
    ///
    /// # Errors
    ///
    /// The question is of another kind or not open any more, the number of codes is wrong, or one of them is not for SUBACK.
    pub fn answer_subscribe(
        &mut self,
        token: QuestionToken,
        now: Instant,
        codes: &[ReasonCode],
    ) -> Result<(), AnswerError> {
        let is_wrong =
            |code: &&ReasonCode| !code.allowed_in(PacketType::Suback, Some(Role::Server));
        if let Some(&wrong) = codes.iter().find(is_wrong) {
            return Err(self.refuse_answer(token, AnswerErrorReason::ReasonCode(wrong)));
        }
        let given = codes.len();
        let asked = self
            .get(token.connection)
            .and_then(|one| one.asked.as_ref());
        if let Some(AskedKind::Subscribe { filters, .. }) = asked.map(|asked| &asked.kind) {
            let filters = filters.len();
            if given != filters {
                let reason = AnswerErrorReason::Count { given, filters };
                return Err(self.refuse_answer(token, reason));
            }
        }
        let is_kind = |kind: &AskedKind| matches!(kind, AskedKind::Subscribe { .. });
        let slot = token.connection.slot;
        self.log.begin();
        if let AskedKind::Subscribe {
            token,
            filters,
            identifier,
        } = self.take_asked(token, now, is_kind)?
        {
            let codes = filters
                .iter()
                .zip(codes)
                .map(|((filter, options), &code)| {
                    if code.is_error() {
                        return code;
                    }
                    let qos = QoS::from_u8(code.as_u8()).unwrap_or(QoS::AtMostOnce);
                    let options = SubscriptionOptions {
                        qos: options.qos.min(qos),
                        ..*options
                    };
                    self.subscribe(slot, filter, options, identifier)
                })
                .collect();
            self.suback(slot, now, token, codes);
        }
        self.settle(slot);
        self.finish_closed(now);
        Ok(())
    }

    fn suback(&mut self, slot: u32, now: Instant, token: RequestToken, codes: Vec<ReasonCode>) {
        let Some(machine) = self.machine(slot) else {
            return;
        };
        if machine.suback(token, &codes, Properties::EMPTY).is_err() {
            // It takes no packet with so many codes.
            self.end_with(slot, now, ReasonCode::PacketTooLarge);
        }
    }

    /// Makes a subscription; the code for SUBACK.
    fn subscribe(
        &mut self,
        slot: u32,
        text: &str,
        options: SubscriptionOptions,
        identifier: Option<u32>,
    ) -> ReasonCode {
        let connection = self.connections.get(slot);
        let Some((connection, number)) = connection.and_then(|one| Some((one, one.client?))) else {
            return ReasonCode::UnspecifiedError;
        };
        let (version, maximum) = (
            connection.machine.version(),
            connection.machine.maximum_qos(),
        );
        let Ok(filter) = TopicFilter::new(version, text) else {
            return ReasonCode::TopicFilterInvalid;
        };
        // 5.0 has been told and is disconnected.
        if version != Version::V5 && !self.options.wildcard_subscriptions && filter.has_wildcard() {
            return ReasonCode::WildcardSubscriptionsNotSupported;
        }
        let granted = options.qos.min(maximum).min(self.options.maximum_qos);
        let subscriber = Subscriber {
            id: SubscriberId::new(number),
            options: SubscriptionOptions {
                qos: granted,
                ..options
            },
            identifier,
        };
        let client = self.clients.get(number);
        let options = &self.options;
        let is_full = client.is_some_and(|client| {
            let bytes = client.filter_bytes.saturating_add(bytes_of(&filter));
            client.subscriptions >= options.maximum_client_subscriptions
                || bytes > options.maximum_client_filter_bytes
        });
        if is_full && self.index.get(&filter, subscriber.id).is_none() {
            return ReasonCode::QuotaExceeded;
        }
        let is_first = self.options.bridge_events && !self.index.contains(&filter);
        let old = match self.index.insert(&filter, subscriber) {
            Ok(old) => old,
            Err(IndexError::Full) => return ReasonCode::QuotaExceeded,
            // Well formed, but not allowed (5.0 §3.9.3).
            Err(_) => return ReasonCode::TopicFilterInvalid,
        };
        if is_first {
            let filter = filter.clone().into_owned();
            self.events
                .push_back(BrokerEvent::FirstSubscription { filter });
        }
        if let Some(client) = self.clients.get_mut(number) {
            if old.is_none() {
                client.count_filter(&filter);
            }
            if client.expiry > 0 {
                let client_id = &client.name;
                self.log.add(|| BrokerRecord::Subscribed {
                    client_id: Arc::clone(client_id),
                    filter: filter.clone().into_owned(),
                    options: subscriber.options,
                    identifier,
                });
            }
        }
        let retain_handling = subscriber.options.retain_handling;
        self.begin_search(number, &filter, retain_handling, old.is_none());
        ReasonCode::granted(granted)
    }

    pub(super) fn on_unsubscribe(
        &mut self,
        slot: u32,
        now: Instant,
        unsubscribe: &Unsubscribe<'_>,
        token: RequestToken,
    ) {
        let connection = self.connections.get(slot);
        let Some((connection, number)) = connection.and_then(|one| Some((one, one.client?))) else {
            return;
        };
        let version = connection.machine.version();
        let codes: Vec<ReasonCode> = unsubscribe
            .filters
            .iter()
            .map(|text| match TopicFilter::new(version, text) {
                Ok(filter) if self.remove_subscription(number, &filter) => ReasonCode::Success,
                Ok(_) => ReasonCode::NoSubscriptionExisted,
                Err(_) => ReasonCode::TopicFilterInvalid,
            })
            .collect();
        let Some(machine) = self.machine(slot) else {
            return;
        };
        if machine.unsuback(token, &codes, Properties::EMPTY).is_err() {
            self.end_with(slot, now, ReasonCode::PacketTooLarge);
        }
    }

    pub(super) fn remove_subscription(&mut self, number: u32, filter: &TopicFilter<'_>) -> bool {
        if self
            .index
            .remove(filter, SubscriberId::new(number))
            .is_none()
        {
            return false;
        }
        if let Some(client) = self.clients.get_mut(number) {
            client.uncount_filter(filter);
            client.end_search(filter);
            if client.expiry > 0 {
                let client_id = &client.name;
                self.log.add(|| BrokerRecord::Unsubscribed {
                    client_id: Arc::clone(client_id),
                    filter: filter.clone().into_owned(),
                });
            }
        }
        if self.options.bridge_events && !self.index.contains(filter) {
            let filter = filter.clone().into_owned();
            self.events
                .push_back(BrokerEvent::LastSubscription { filter });
        }
        true
    }
}

/// A filter has 65,535 at most.
fn bytes_of(filter: &TopicFilter<'_>) -> u32 {
    u32::try_from(filter.as_str().len()).unwrap_or(u32::MAX)
}

impl Client {
    pub(super) fn count_filter(&mut self, filter: &TopicFilter<'_>) {
        self.subscriptions = self.subscriptions.saturating_add(1);
        self.filter_bytes = self.filter_bytes.saturating_add(bytes_of(filter));
    }

    pub(super) fn uncount_filter(&mut self, filter: &TopicFilter<'_>) {
        self.subscriptions = self.subscriptions.saturating_sub(1);
        self.filter_bytes = self.filter_bytes.saturating_sub(bytes_of(filter));
    }
}
