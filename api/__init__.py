"""The bridge: the only public door between customers, staff, the bot and the back office."""
