"""Refusals around attachments; those of the file itself stand in `api.core.files.errors`."""

from api.core.errors import ApiError, InvalidError


class AttachmentNotFoundError(ApiError):
    """Unknown, of another conversation or ticket, or hidden from this caller: the answer is the same."""

    status, code, message = 404, "attachment_not_found", "找不到这个附件，可能已经删除；请刷新后再看。"


class TooManyAttachmentsError(InvalidError):
    """More or larger than the playbook takes."""

    code = "too_many_attachments"


class ScanPendingError(ApiError):
    """A virus scanner is set up and has not looked at it yet."""

    status, code, message = 409, "attachment_not_scanned", "这个附件还没有查完病毒，暂时不能下载，请过几分钟再试。"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "60"})


class AttachmentRemovedError(ApiError):
    """The scanner found something later; the bytes are gone."""

    status, code, message = 410, "attachment_removed", "这个附件检出病毒，已经清除，请联系提供人重新提供。"
