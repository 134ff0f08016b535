"""``librarian webhooks`` and ``send-events``: programs elsewhere that are told what happens."""

import json
import time

import click
import transaction
from zope.component import getUtility

from librarian.commands.common.site import ini_option, opened_site
from librarian.events.delivering import Deliverer
from librarian.events.interfaces import IWebhookSet


@click.group()
def webhooks() -> None:
    """Make, list and remove webhooks, and see what was sent to them."""


@webhooks.command()
@click.argument("url")
@click.argument("kinds", nargs=-1)
@ini_option
def add(url: str, kinds: tuple[str, ...], ini: str) -> None:
    """Tell URL of all events, or of those of KINDS; print its id and, this once, its secret."""
    with opened_site(ini):
        new = getUtility(IWebhookSet).newForEverything(url, kinds)
        transaction.commit()
    click.echo(f"{new.id}\t{new.secret}")


@webhooks.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@ini_option
def list_webhooks(as_json: bool, ini: str) -> None:
    """Print every webhook: id, URL, owner, what it is told of."""
    with opened_site(ini):
        for webhook in getUtility(IWebhookSet):
            kinds = list(webhook.kinds)
            facts = {"id": webhook.id, "url": webhook.url, "owner": webhook.owner}
            of = "everything" if webhook.everything else "own files"
            told = {**facts, "of": of, "kinds": kinds}
            click.echo(json.dumps(told) if as_json else "\t".join((*facts.values(), of, " ".join(kinds))))


@webhooks.command()
@click.argument("webhook_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@ini_option
def deliveries(webhook_id: str, as_json: bool, ini: str) -> None:
    """Print what waits, is parked and was delivered, newest first, with the last answer."""
    with opened_site(ini):
        for found in getUtility(IWebhookSet)[webhook_id].deliveries():
            facts = dict(found)
            shown = [
                facts[name] for name in ("id", "type", "subject", "state", "attempts", "status", "answer")
            ]
            plain = "\t".join("-" if value is None else " ".join(str(value).split()) for value in shown)
            click.echo(json.dumps(facts) if as_json else plain)


@webhooks.command()
@click.argument("webhook_id")
@click.argument("event_id")
@ini_option
def resend(webhook_id: str, event_id: str, ini: str) -> None:
    """Have EVENT_ID sent again."""
    with opened_site(ini):
        getUtility(IWebhookSet)[webhook_id].resend(event_id)
        transaction.commit()


@webhooks.command()
@click.argument("webhook_id")
@ini_option
def rotate(webhook_id: str, ini: str) -> None:
    """Print a new secret.  For a day both sign."""
    with opened_site(ini):
        secret = getUtility(IWebhookSet)[webhook_id].rotate()
        transaction.commit()
    click.echo(secret)


@webhooks.command()
@click.argument("webhook_id")
@ini_option
def remove(webhook_id: str, ini: str) -> None:
    """Forget a webhook and what waits for it."""
    with opened_site(ini):
        getUtility(IWebhookSet)[webhook_id].remove()
        transaction.commit()


@click.command("send-events")
@ini_option
@click.option("--watch", type=click.FloatRange(min=0.1), help="Go on, looking again every so many seconds.")
def send_events(ini: str, watch: float | None) -> None:
    """Send the events that wait for webhooks, and print how many were accepted.

    What is refused waits longer each time, and is parked after three days.
    """
    with opened_site(ini):
        worker = Deliverer()
        click.echo(worker.run())
        while watch is not None:
            time.sleep(watch)
            worker.run()
