//! What a broker does with messages and subscriptions.

use sansio_mqtt::*;

use super::Broker;

/// One subscription.
pub(super) struct Kept {
    filter: String,
    options: SubscriptionOptions,
    identifier: Option<u32>,
}

impl Broker {
    pub(super) fn on_event(
        &mut self,
        now: Instant,
        client: &str,
        connection: &mut ServerConnection,
        event: ServerEvent<'_>,
        routed: &mut Vec<(String, Message, Option<String>)>,
    ) {
        let remarks = self.remarks();
        let properties = remark_properties(&remarks);
        let properties = Properties::from(&properties[..]);
        match event {
            ServerEvent::Publish(incoming) => {
                let topic = incoming.topic();
                let refused = self.refused("refuse_publish", topic);
                if let Some(token) = &incoming.ack {
                    let reason = refused.filter(|_| connection.version() == Version::V5);
                    let _ = connection.acknowledge(token, reason.unwrap_or(ReasonCode::Success));
                }
                if let Some(reason) = self.refused("disconnect", topic) {
                    let disconnect = Disconnect {
                        properties,
                        ..Disconnect::new(reason)
                    };
                    connection.disconnect(now, &disconnect).expect("DISCONNECT");
                } else if refused.is_none() {
                    let message = incoming.to_message();
                    self.retain(&message);
                    routed.push((client.into(), message, None));
                }
            }
            ServerEvent::Subscribe { subscribe, token } => {
                let codes: Vec<_> = subscribe
                    .subscriptions
                    .iter()
                    .map(|one| {
                        let granted = ReasonCode::granted(one.options.qos);
                        self.refused("suback", one.filter).unwrap_or(granted)
                    })
                    .collect();
                connection
                    .suback(token, &codes, properties)
                    .expect("SUBACK");
                for (one, code) in subscribe.subscriptions.iter().zip(codes) {
                    if !code.is_error() {
                        self.subscribed(
                            client,
                            one,
                            code,
                            subscribe.properties.subscription_identifier(),
                            routed,
                        );
                    }
                }
            }
            ServerEvent::Unsubscribe { unsubscribe, token } => {
                let kept = &mut self.clients.entry(client.into()).or_default().subscriptions;
                let codes: Vec<_> = unsubscribe
                    .filters
                    .iter()
                    .map(|filter| {
                        let before = kept.len();
                        kept.retain(|one| one.filter != filter);
                        match kept.len() < before {
                            true => ReasonCode::Success,
                            false => ReasonCode::NoSubscriptionExisted,
                        }
                    })
                    .collect();
                connection
                    .unsuback(token, &codes, properties)
                    .expect("UNSUBACK");
            }
            _ => {}
        }
    }

    fn subscribed(
        &mut self,
        client: &str,
        one: Subscription<'_>,
        granted: ReasonCode,
        identifier: Option<u32>,
        routed: &mut Vec<(String, Message, Option<String>)>,
    ) {
        let kept = &mut self.clients.entry(client.into()).or_default().subscriptions;
        let before = kept.len();
        kept.retain(|kept| kept.filter != one.filter);
        let new = kept.len() == before;
        let qos = QoS::from_u8(granted.as_u8()).expect("a grant");
        kept.push(Kept {
            filter: one.filter.into(),
            options: SubscriptionOptions { qos, ..one.options },
            identifier,
        });
        let wanted = match one.options.retain_handling {
            RetainHandling::SendAtSubscribe => true,
            RetainHandling::SendIfNew => new,
            RetainHandling::DoNotSend => false,
        };
        let filter = TopicFilter::new(Version::V5, one.filter).expect("checked");
        if wanted && filter.share_name().is_none() {
            for message in self.retained.values() {
                if filter.matches(&message.topic_name()) {
                    let message = message.clone().with_qos(message.qos().min(qos));
                    routed.push((client.into(), message, Some(one.filter.into())));
                }
            }
        }
    }

    /// To every client with a matching subscription, one copy; `only`: a retained message for a subscription just made.
    pub(super) fn route(
        &mut self,
        now: Instant,
        from: &str,
        message: &Message,
        only: Option<String>,
    ) {
        let mut shares = Vec::new();
        for (name, client) in &mut self.clients {
            let mut matching: Vec<&Kept> = Vec::new();
            for kept in &client.subscriptions {
                let filter = TopicFilter::new(Version::V5, &kept.filter).expect("checked");
                let fits = match &only {
                    Some(only) => name == from && kept.filter == *only,
                    None => {
                        filter.matches(&message.topic_name())
                            && !(kept.options.no_local && name == from)
                    }
                };
                // The first member of a shared subscription has it.
                if fits && !(filter.share_name().is_some() && shares.contains(&kept.filter)) {
                    if filter.share_name().is_some() {
                        shares.push(kept.filter.clone());
                    }
                    matching.push(kept);
                }
            }
            let Some(qos) = matching.iter().map(|kept| kept.options.qos).max() else {
                continue;
            };
            let identifiers: Vec<u32> =
                matching.iter().filter_map(|kept| kept.identifier).collect();
            let keeps =
                only.is_some() || matching.iter().any(|kept| kept.options.retain_as_published);
            let copy = message
                .clone()
                .with_qos(message.qos().min(qos))
                .with_retain(message.retain() && keeps)
                .with_subscription_identifiers(&identifiers)
                .expect("checked");
            let link = client
                .link
                .as_ref()
                .and_then(|link| self.links.get_mut(link));
            if let Some(connection) = link.and_then(|link| link.connection.as_mut()) {
                let _ = connection.publish(now, copy);
            } else if let Some(session) = &mut client.session {
                let _ = session.enqueue(now, copy, &self.options);
            }
        }
    }
}

/// As properties.
pub(super) fn remark_properties(remarks: &[(String, String)]) -> Vec<Property<'_>> {
    remarks
        .iter()
        .map(|(name, text)| match &name[..] {
            "reason_string" => Property::ReasonString(text),
            _ => Property::UserProperty(text, ""),
        })
        .collect()
}
