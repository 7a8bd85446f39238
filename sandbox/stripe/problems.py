"""The errors that Stripe answers with."""

from typing import Any


class ApiError(Exception):
    """An answer other than 200; ``is_executed`` says whether the idempotency layer keeps it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        is_executed: bool = True,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.is_executed = is_executed
        self.error = {"type": kind, "message": message}
        if code:
            self.error["code"] = code
        if param:
            self.error["param"] = param

    @property
    def body(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": self.error}


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return the refusal of parameters that were never executed."""
    return ApiError(400, message, param=param, code=code, is_executed=False)


def refused(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return the refusal of a request that was understood and tried."""
    return ApiError(400, message, param=param, code=code)


def missing(kind: str, identifier: str, param: str = "id") -> ApiError:
    """Return the answer about an object that does not exist."""
    return ApiError(404, f"No such {kind}: '{identifier}'", code="resource_missing", param=param)
