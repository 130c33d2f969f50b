"""From Reddit's submissions to documents: links, pages and their text."""
