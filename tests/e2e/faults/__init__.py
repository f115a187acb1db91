"""Every fault by its id: how it is provoked, what must be seen of it, and the document made of what was seen."""
