"""Authlib has no types: these are the parts that `auth` builds on, as Authlib 1.9 defines them."""

from authlib.oauth2.rfc6749.errors import OAuth2Error as OAuth2Error
from authlib.oauth2.rfc6749.requests import OAuth2Request as OAuth2Request
