"""The HTML of the page for logging in. It holds no script and loads nothing."""

from __future__ import annotations

import secrets
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from app.web import theme

if TYPE_CHECKING:
    from app.web.texts import English

_STYLE = """
:root{color-scheme:light dark}*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.2rem;font:1rem/1.5 system-ui,sans-serif;
 background:light-dark(%(backgroundColor)s);color:light-dark(%(textColor)s)}
main{width:min(24rem,100%%);padding:1.8rem;border:1px solid light-dark(%(borderColor)s);border-radius:.9rem;
 background:light-dark(%(secondaryBackgroundColor)s)}
h1{margin:0 0 .2rem;font-size:1.6rem}p{margin:.2rem 0 1rem;overflow-wrap:anywhere}
label{display:block;margin:.9rem 0 .25rem;font-weight:600}
input{width:100%%;padding:.6rem .7rem;font:inherit;color:inherit;border:1px solid light-dark(#7d8a88,#7d8a88);
 border-radius:.5rem;background:light-dark(%(backgroundColor)s)}
button,.button{display:block;width:100%%;margin-top:1.3rem;padding:.65rem;font:inherit;font-weight:600;text-align:center;
 text-decoration:none;border:1px solid light-dark(%(primaryColor)s);border-radius:.5rem;cursor:pointer;
 color:light-dark(#fff,#08201f);background:light-dark(%(primaryColor)s)}
.button{color:inherit;background:none}
:focus-visible{outline:3px solid light-dark(%(primaryColor)s);outline-offset:2px}
.said{padding:.6rem .8rem;border:1px solid currentColor;border-left-width:4px;border-radius:.5rem}
.bad{color:light-dark(#a8281c,#ff9a8d)}.info{color:light-dark(#0b6b70,#63c9cb)}code{font-size:.9em}
"""


def page(
    words: English, *, said: str, tone: str, target: str, user: str, provider: str, local: bool
) -> tuple[str, str]:
    """The page, and its content security policy.

    Args:
        words: The sentences, in the language of whoever looks.
        said: A message above the form; "" for none.
        tone: `bad` or `info`.
        target: Where to go afterwards.
        user: What was typed as the name before.
        provider: Name of the provider; "" where there is none.
        local: There are local users.
    """
    nonce = secrets.token_urlsafe(16)
    colours = {name: f"{light},{dark}" for name, light, dark in theme.pairs()}
    role, sign = ("alert", "✗") if tone == "bad" else ("status", "i")
    message = f'<p class="said {tone}" role="{role}">{sign} {escape(said)}</p>' if said else ""
    query = f"?next={quote(target)}"
    parts = [message]
    if local:
        parts.append(
            f'<form method="post" action="/login{query}"><label for="user">{escape(words.login_name)}</label>'
            f'<input id="user" name="user" value="{escape(user, quote=True)}" autocomplete="username" '
            'autocapitalize="none" spellcheck="false" maxlength="200" required autofocus>'
            f'<label for="password">{escape(words.login_password)}</label><input id="password" name="password" '
            'type="password" autocomplete="current-password" maxlength="1024" required>'
            f"<button>{escape(words.login_do)}</button></form>"
        )
    if provider:
        label = escape(words.login_with.format(provider=provider))
        parts.append(f'<a class="button" href="/login/provider{query}">{label}</a>')
    if not local and not provider:
        parts.append(f"<p>{escape(words.login_nobody)}</p>")
    body = (
        f'<!doctype html><html lang="{words.html_lang}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(words.login_title)} · {escape(words.product)}</title>"
        f'<style nonce="{nonce}">{_STYLE % colours}</style></head><body><main><h1>{escape(words.product)}</h1>'
        f"<p>{escape(words.login_lead)}</p>{''.join(parts)}</main></body></html>"
    )
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    return body, policy
