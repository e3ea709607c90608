"""The Chinese pipeline: zh_core_web_sm when it is installed, else the project's own."""
