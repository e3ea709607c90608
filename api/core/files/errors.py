"""Why a file is not taken. A cleaner's refusal crosses a process as its code, so each has one sentence here."""

from api.core.errors import ApiError, InvalidError


class FileRefusedError(InvalidError):
    """The file itself cannot be taken; the sentence says what to send instead."""

    code = "file_refused"
    message = "这个文件不能接收，请换一个文件再传。"


class EmptyFileError(FileRefusedError):
    """Nothing in it."""

    code, message = "file_empty", "文件是空的，请检查后重新选择。"


class UnsupportedFileError(FileRefusedError):
    """By its content it is of no kind that the playbook allows, whatever its name says."""

    status, code, message = 415, "file_type_unsupported", "不支持这种文件，请换成图片、PDF 等常见格式再传。"


class DamagedFileError(FileRefusedError):
    """It begins like a kind that is allowed and then is something else, or breaks off."""

    code, message = "file_damaged", "文件已损坏或内容与格式不符，请重新拍摄、导出或截图后再传。"


class TooManyPixelsError(FileRefusedError):
    """Decoding it would take memory out of all proportion."""

    code, message = "image_too_large", "图片像素过大，请缩小或截图后再传。"


class AnimatedImageError(FileRefusedError):
    """Only its first frame would be kept, and evidence must not lose anything silently."""

    code, message = "image_animated", "不支持动图，请改传静态截图或视频。"


class ActiveContentError(FileRefusedError):
    """A PDF with scripts, programs to start or files inside."""

    code, message = "file_active", "这份 PDF 里带有脚本或内嵌文件，请打印成 PDF 或截图后再传。"


class LockedFileError(FileRefusedError):
    """A PDF that opens with a password only: neither we nor the back office could look inside."""

    code, message = "file_locked", "这份 PDF 设了打开密码，请去掉密码或截图后再传。"


class FileTooLargeError(ApiError):
    """Past the largest size of its kind."""

    status, code, message = 413, "file_too_large", "文件太大，请压缩或分段后再传。"


class InfectedFileError(FileRefusedError):
    """The virus scanner knows it; nothing was kept."""

    code, message = "file_infected", "文件中检出病毒，没有保存。请换一份没有问题的文件再传。"


class FileStoreUnavailableError(ApiError):
    """Disk full, or the object store slow or gone; nothing of the upload was kept."""

    status, code, message = 503, "file_store_unavailable", "附件暂时无法保存或读取，请稍后再试。"


class FileStoreDamagedError(ApiError):
    """What is stored is not what was stored: changed, cut short, or of another key."""

    status, code, message = 500, "file_store_damaged", "这个附件的存储内容已损坏，请联系系统管理员从备份恢复。"


class UploadTimeoutError(ApiError):
    """The sender stopped sending, or took too long."""

    status, code, message = 408, "upload_timeout", "上传太慢，已经中断；请换个网络或压缩后再传。"


class UploadBrokenError(InvalidError):
    """Not a multipart form with one part `file`, or the sender went away."""

    code, message = "upload_invalid", "请用 multipart/form-data 上传，文件放在 file 一项里，每次一个。"


REFUSALS: dict[str, type[ApiError]] = {
    error.code: error
    for error in (
        EmptyFileError, UnsupportedFileError, DamagedFileError, TooManyPixelsError, AnimatedImageError,
        ActiveContentError, LockedFileError, FileTooLargeError, FileStoreUnavailableError,
    )
}  # fmt: skip
