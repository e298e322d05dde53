"""Handing a session to a browser, and taking it back."""

from fastapi import Request, Response

from strata_api.authentication import cookie_name, is_secure
from strata_api.cached_answers import ends
from strata_core.access.commands import NewSession
from strata_core.caching.kinds import PROFILES


def set_session_cookie(request: Request, response: Response, session: NewSession) -> None:
    """Who signs in changes their own profile by it."""
    ends(request, session.user_id, PROFILES)
    response.set_cookie(
        cookie_name(request),
        session.token,
        expires=session.expires_at,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )


def delete_session_cookie(request: Request, response: Response) -> None:
    response.delete_cookie(cookie_name(request), path="/", secure=is_secure(request), httponly=True)
