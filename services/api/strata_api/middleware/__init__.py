"""What every request passes through, outermost first: headers, context, body."""
