"""The pages: what people see in a browser. docs/explanation/pages.md tells how they are made."""
