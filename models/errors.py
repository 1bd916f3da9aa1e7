"""What a verb says when it will not: a refusal that a person can act upon, as data and in both languages."""

from enum import StrEnum


class RefusalCode(StrEnum):
    """Why a verb was refused (お断りの理由). The names are the API's."""

    NOT_FOUND = "NOT_FOUND"
    NOT_YOURS = "NOT_YOURS"
    INVALID = "INVALID"
    WRONG_STATE = "WRONG_STATE"
    VERSION_CHANGED = "VERSION_CHANGED"
    AGREEMENT_MISSING = "AGREEMENT_MISSING"
    CONSENT_MISSING = "CONSENT_MISSING"
    TOKEN_INVALID = "TOKEN_INVALID"
    LICENSE_EXPIRED = "LICENSE_EXPIRED"
    DUPLICATE = "DUPLICATE"
    NOT_ELIGIBLE = "NOT_ELIGIBLE"
    SLOT_UNAVAILABLE = "SLOT_UNAVAILABLE"


class Refusal(Exception):  # noqa: N818  (the domain's word: お断り)
    """A verb's refusal. Whoever opened the unit of work rolls it back: a refusal changes nothing.

    `ja` and `en` tell a person what to do; `path` names the input member at fault, such as `("input", "email")`.
    Neither text ever carries personal data.
    """

    def __init__(self, code: RefusalCode, *, ja: str, en: str, path: tuple[str, ...] | None = None) -> None:
        super().__init__(f"{code}: {en}")
        self.code, self.ja, self.en, self.path = code, ja, en, path


def not_found(*path: str) -> Refusal:
    """The one answer for what is absent and for what is hidden: nobody can tell them apart."""
    return Refusal(
        RefusalCode.NOT_FOUND,
        ja="対象が見つからないか、閲覧できません。IDを確かめてください。",
        en="No such object, or not yours to see. Check the id.",
        path=path or None,
    )


def not_yours() -> Refusal:
    """What only the company itself may do, asked by somebody who sees it."""
    return Refusal(
        RefusalCode.NOT_YOURS,
        ja="この操作ができるのは、その企業だけです。",
        en="Only the company itself can do this.",
    )


def wrong_state(ja: str, en: str, path: tuple[str, ...] | None = None) -> Refusal:
    """The flow does not allow this step now."""
    return Refusal(RefusalCode.WRONG_STATE, ja=ja, en=en, path=path)


def too_long(path: str, most: int) -> Refusal:
    """A text of the input that is empty or longer than `most` characters."""
    return invalid(path, f"1〜{most}文字で入力してください。", f"Give 1 to {most} characters.")


def invalid(path: str, ja: str, en: str) -> Refusal:
    """A member of the input breaks a rule."""
    return Refusal(RefusalCode.INVALID, ja=ja, en=en, path=("input", path))
