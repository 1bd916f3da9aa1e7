"""Who is asking, what their token may ask for, and the authorization server that issues tokens."""
