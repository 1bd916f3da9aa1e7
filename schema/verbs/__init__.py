"""What the verbs take and return, and what they call: one file per word, as everywhere."""

from types import ModuleType

from schema.verbs import agreement, application, outcome, partner, referral, relay

WORDS: tuple[ModuleType, ...] = (agreement, application, outcome, partner, referral, relay)
