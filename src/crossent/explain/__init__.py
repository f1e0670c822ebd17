"""The teaching page: `page` builds it, `race` makes the runs it shows, `templates/` are its parts."""
