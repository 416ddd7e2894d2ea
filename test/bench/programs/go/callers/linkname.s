// Lets Go accept a function without a body.
