"""
Who a client is: its keys, its token and the web page that it comes from.

Begin with L{aerostack.auth.authenticator}: it makes an identity of a client's credentials, or
refuses them.  L{aerostack.auth.tokens} checks JSON Web Tokens, and L{aerostack.auth.origins}
compares the origins of web pages.  What an identity may do is decided in L{aerostack.core.access}.
"""
