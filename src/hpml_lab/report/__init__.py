"""Tables, sentences and pages for people, as pure functions of saved runs."""
