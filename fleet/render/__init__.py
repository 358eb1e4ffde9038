"""Reports and rows as table, JSON, lines, CSV, Markdown, HTML, JUnit and Nagios; text from outside is data in all of them."""
