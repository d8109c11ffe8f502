# Run by redmine_test.go inside a new Redmine: what an administrator clicks.
Redmine::DefaultData::Loader.load("en")
Setting.rest_api_enabled = "1"
user = User.new(firstname: "Bridge", lastname: "Postdesk", mail: "bridge@company.example")
user.login = "bridge"
user.random_password
user.save!
%w[shop office desk].each do |name|
  project = Project.create!(name: name, identifier: name, trackers: Tracker.all, enabled_module_names: ["issue_tracking"])
  Member.create!(project: project, principal: user, roles: [Role.find_by!(name: "Developer")])
end
File.write(ARGV[0], user.api_key)
