"""A channel that is off: says so, so that nobody takes silence for delivery."""

from strata_core.ports.notifier import Delivery, DeliveryStatus, Message, WebhookTarget


class NullNotifier:
    def deliver(self, target: WebhookTarget, message: Message) -> Delivery:
        return Delivery(DeliveryStatus.FAILED, "channel_off", "this channel is switched off")
