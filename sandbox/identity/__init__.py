"""OAuth 2.0 / OpenID Connect authorization servers that behave like Google, Microsoft and a strict generic provider."""
