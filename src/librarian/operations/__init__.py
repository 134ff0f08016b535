"""What an operator looks at: is it up, can it serve, how much does it do."""
