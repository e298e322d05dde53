"""How people prove who they are: passwords, second factors, tickets between two steps, and the sessions they get."""
