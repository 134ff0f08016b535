"""``librarian send-mail``: empty the queue of mail."""

import time

import click

from librarian.commands.common.site import ini_option, opened_site
from librarian.mail.service import deliver_queue


@click.command("send-mail")
@ini_option
@click.option("--watch", type=click.FloatRange(min=0.1), help="Go on, looking again every so many seconds.")
def send_mail(ini: str, watch: float | None) -> None:
    """Send the mail that waits in the queue, by SMTP.

    What the server refuses for ever is quarantined; what fails for now waits for the next time.
    """
    with opened_site(ini):
        deliver_queue()
        while watch is not None:
            time.sleep(watch)
            deliver_queue()
